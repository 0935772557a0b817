// A Hugging Face directory: which of its files say what.
#include <algorithm>
#include <utility>

#include "base/quote.h"
#include "gguf/value.h"
#include "import/family.h"
#include "import/prepared.h"

namespace issun::import {

namespace {

class Folder {
 public:
  Folder(const std::string& directory, const ImportOptions& options)
      : directory_(directory), options_(options) {}

  Result<std::unique_ptr<Prepared>> prepare() {
    Facts facts =
        TRY(Facts::read(TRY(read_text(path("config.json"), kLongestConfig)), path("config.json")));
    const std::string class_name = TRY(facts.architecture());
    const Family* family = find_family(class_name);
    if (family == nullptr) {
      return fail("{}: architectures: expected one that can be imported ({}), found {}",
                  facts.name(), family_classes(), printable(class_name));
    }
    if (family->choose != nullptr) family = family->choose(facts);
    TRY(facts.set_defaults(family->defaults));
    TRY(refuse_quantised(facts));
    auto prepared = std::make_unique<Prepared>(family->architecture);
    name_it(facts, *prepared);
    TRY(set_common_keys(facts, *family, prepared->keys));
    TRY(set_keys(facts, family->keys, prepared->keys));
    prepared->stored = TRY(safetensors::SafetensorsSet::open(directory_));
    prepared->plan =
        TRY(plan_tensors(prepared->stored, family->all_tensors(), TRY(read_counts(facts))));
    if (family->more != nullptr) TRY(family->more(facts, prepared->keys, prepared->plan));
    TRY(set_pooling(*family, *prepared));
    TRY(read_generation(*prepared));
    Vocabulary vocabulary = TRY(read_vocabulary(facts, *prepared));
    if (family->vocabulary != nullptr) {
      TRY(vocabulary.keep_merges(family->vocabulary));
    }
    TRY(add_vocabulary(std::move(vocabulary), *prepared));
    return prepared;
  }

 private:
  std::string path(std::string_view file) const { return fmt::format("{}/{}", directory_, file); }

  Result<Json> read_json(std::string_view file) const { return read_json_file(path(file)); }

  // MXFP4 and 8-bit floats stand beside scales, which the plan finds.
  static Result<void> refuse_quantised(const Facts& facts) {
    const Json& quantised = facts.get("quantization_config");
    if (quantised.is_null()) return {};
    const Json& method = quantised["quant_method"];
    const auto& block = quantised["weight_block_size"].items();
    const bool square = block.size() == 2 && block[0].is_integer() && block[0].integer() == 128 &&
                        block[1].is_integer() && block[1].integer() == 128;
    if (method.is("mxfp4") || (method.is("fp8") && (block.empty() || square))) return {};
    return fail(
        "{}: quantization_config: expected weights as floats, mxfp4, or fp8 in blocks of 128 x "
        "128, found '{}', which cannot be imported",
        facts.name(), method.is_string() ? printable(method.text()) : "some");
  }

  static Result<Counts> read_counts(const Facts& facts) {
    Counts counts;
    counts.query_heads = static_cast<int>(TRY(facts.count("num_attention_heads|n_head")));
    counts.key_heads = static_cast<int>(
        TRY(facts.maybe_count("num_key_value_heads|n_head_kv")).value_or(counts.query_heads));
    counts.layers = static_cast<int>(TRY(facts.count("num_hidden_layers|n_layer")));
    const auto ahead =
        TRY(facts.maybe_count("num_nextn_predict_layers|mtp_num_hidden_layers")).value_or(0);
    counts.layers_ahead =
        static_cast<int>(std::min<int64_t>(ahead, INT32_MAX - int64_t{counts.layers}));
    return counts;
  }

  void name_it(const Facts& facts, Prepared& prepared) const {
    const Json& stated = facts.get("_name_or_path");
    std::string name = stated.is_string() ? plain_name(stated.text()) : "";
    if (name.empty()) name = plain_name(directory_);
    prepared.keys.set_general("general.type", gguf::make_string("model"));
    prepared.keys.set_general("general.name",
                              gguf::make_string(prepared.keys.keep(std::move(name))));
  }

  // How the vectors of a text's tokens become one; said in files of sentence-transformers.
  Result<void> set_pooling(const Family& family, Prepared& prepared) const {
    const Json modules = TRY(read_json("modules.json"));
    for (const Json& module : modules.items()) {
      if (!module["type"].is_string() || !module["path"].is_string()) continue;
      const bool dense = module["type"].text().ends_with("Dense");
      if (!dense && !module["type"].text().ends_with("Pooling")) continue;
      const std::string& folder = module["path"].text();
      if (folder.find('/') != std::string::npos || folder.starts_with('.')) {
        return fail("{}: expected the name of a folder, found '{}'", path("modules.json"),
                    printable(folder));
      }
      if (dense) {
        TRY(add_dense(family, folder, prepared));
        continue;
      }
      const Json pooling = TRY(read_json(folder + "/config.json"));
      constexpr std::pair<const char*, int> kModes[] = {{"pooling_mode_mean_tokens", 1},
                                                        {"pooling_mode_cls_token", 2},
                                                        {"pooling_mode_lasttoken", 3}};
      const auto mode = std::find_if(std::begin(kModes), std::end(kModes), [&](const auto& known) {
        return pooling[known.first].is_true();
      });
      if (mode == std::end(kModes)) {
        return fail("{}: {}: expected a pooling of mean, cls or last token", directory_, folder);
      }
      prepared.keys.set_count("pooling_type", mode->second);
    }
    return {};
  }

  // A matrix behind the pooling, in a file of its own.
  Result<void> add_dense(const Family& family, const std::string& folder,
                         Prepared& prepared) const {
    if (!family.has_dense || (folder != "2_Dense" && folder != "3_Dense")) {
      return fail(
          "{}: expected no layers behind the pooling, found the Dense module '{}', which cannot "
          "be imported",
          path("modules.json"), printable(folder));
    }
    const Json config = TRY(read_json(folder + "/config.json"));
    const Json& activation = config["activation_function"];
    if (config["bias"].is_true() ||
        (activation.is_string() && !activation.text().ends_with("Identity"))) {
      return fail("{}: {}: expected a matrix alone, found a bias or an activation", directory_,
                  folder);
    }
    prepared.modules.push_back(TRY(safetensors::SafetensorsSet::open(path(folder))));
    const StoredTensor* stored = prepared.modules.back().find("linear.weight");
    if (stored == nullptr || stored->shape.size() != 2) {
      return fail("{}: {}: expected a matrix 'linear.weight', found none", directory_, folder);
    }
    const std::string name = fmt::format("dense_{}", folder[0]);
    PlannedTensor planned;
    planned.name = name + ".weight";
    planned.size = {stored->columns(), stored->rows()};
    planned.columns = stored->columns();
    planned.parts = {{{stored}, 0, stored->rows()}};
    prepared.plan.tensors.insert(prepared.plan.tensors.begin(), std::move(planned));
    prepared.keys.set_count(name + "_feat_in", stored->columns());
    prepared.keys.set_count(name + "_feat_out", stored->rows());
    return {};
  }

  // What the authors recommend for sampling.
  Result<void> read_generation(Prepared& prepared) const {
    const Json generation = TRY(read_json("generation_config.json"));
    constexpr std::pair<const char*, const char*> kNumbers[] = {
        {"temperature", "general.sampling.temp"},
        {"top_p", "general.sampling.top_p"},
        {"min_p", "general.sampling.min_p"},
        {"repetition_penalty", "general.sampling.penalty_repeat"}};
    for (const auto& [from, to] : kNumbers) {
      if (!generation[from].is_number()) continue;
      prepared.keys.set_general(to, gguf::make_f32(static_cast<float>(generation[from].number())));
    }
    const Json& top_k = generation["top_k"];
    if (top_k.is_integer() && top_k.integer() >= 0 && top_k.integer() <= INT32_MAX) {
      prepared.keys.set_general("general.sampling.top_k",
                                gguf::make_i32(static_cast<int32_t>(top_k.integer())));
    }
    return {};
  }

  Result<Vocabulary> read_vocabulary(const Facts& facts, Prepared& prepared) const {
    const Json config = TRY(read_json("tokenizer_config.json"));
    const bool own = !options_.tokenizer.empty();
    const std::string model = own ? options_.tokenizer : path("tokenizer.model");
    const std::string fast = path("tokenizer.json");
    Vocabulary vocabulary;
    if (own || (is_file(model) && !is_file(fast)) || (is_file(model) && is_sentencepiece(model))) {
      const MappedFile file = TRY(MappedFile::open(model));
      vocabulary = TRY(read_sentencepiece(file.bytes(), model));
      TRY(add_listed_tokens(vocabulary));
      TRY(apply_tokenizer_config(config, path("tokenizer_config.json"), true, vocabulary));
    } else if (is_file(fast)) {
      vocabulary =
          TRY(read_tokenizer_json(TRY(read_text(fast, kLongestTokenizer)), fast, options_.pre,
                                  config["clean_up_tokenization_spaces"].is_true()));
      TRY(apply_tokenizer_config(config, path("tokenizer_config.json"), false, vocabulary));
    } else {
      return fail("{}: expected a tokenizer.json or a tokenizer.model, found none", directory_);
    }
    add_ids(facts, vocabulary);
    TRY(read_templates(config, prepared));
    return vocabulary;
  }

  // Older directories list what was added after training in a file of its own.
  Result<void> add_listed_tokens(Vocabulary& vocabulary) const {
    const Json added = TRY(read_json("added_tokens.json"));
    for (const auto& [text, id] : added.members()) {
      if (!id.is_integer()) {
        return fail("{}: expected an id for '{}'", path("added_tokens.json"), printable(text));
      }
      TRY(vocabulary.put(id.integer(), text, TokenKind::UserDefined, kAddedScore));
    }
    return {};
  }

  // Some directories have a tokenizer.model of another kind beside the tokenizer.json.
  static bool is_sentencepiece(const std::string& model) {
    const auto file = MappedFile::open(model);
    return file && file->bytes().size() > 1 && file->bytes()[0] == std::byte{0x0a};
  }

  // What config.json says of roles counts where nothing nearer to the tokenizer does.
  static void add_ids(const Facts& facts, Vocabulary& vocabulary) {
    for (const char* role : {"bos", "eos", "unk", "sep", "pad", "cls", "mask"}) {
      const Json& stated = facts.get(fmt::format("{}_token_id", role));
      const Json& id = stated.items().empty() ? stated : stated.items()[0];
      const bool one = id.is_integer() && id.integer() >= 0 &&
                       id.integer() < static_cast<int64_t>(vocabulary.tokens.size());
      if (one) vocabulary.ids.emplace(role, static_cast<int32_t>(id.integer()));
    }
  }

  // One template, or several by name; in the tokenizer's file or in one of its own.
  Result<void> read_templates(const Json& config, Prepared& prepared) const {
    const auto set = [&](std::string_view key, const std::string& text) {
      prepared.keys.set_general(key, gguf::make_string(prepared.keys.keep(text)));
    };
    if (is_file(path("chat_template.jinja"))) {
      set("tokenizer.chat_template", TRY(read_text(path("chat_template.jinja"), kLongestConfig)));
      return {};
    }
    const Json own = TRY(read_json("chat_template.json"));
    const Json& stated =
        config.has("chat_template") ? config["chat_template"] : own["chat_template"];
    if (stated.is_string()) set("tokenizer.chat_template", stated.text());
    std::vector<std::string_view> names;
    for (const Json& entry : stated.items()) {
      if (!entry["name"].is_string() || !entry["template"].is_string()) continue;
      if (entry["name"].is("default")) {
        set("tokenizer.chat_template", entry["template"].text());
      } else {
        names.push_back(prepared.keys.keep(entry["name"].text()));
        set(fmt::format("tokenizer.chat_template.{}", names.back()), entry["template"].text());
      }
    }
    if (!names.empty()) {
      prepared.keys.set_general("tokenizer.chat_templates", gguf::make_strings(names));
    }
    return {};
  }

  const std::string& directory_;
  const ImportOptions& options_;
};

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_folder(const std::string& directory,
                                                 const ImportOptions& options) {
  return Folder(directory, options).prepare();
}

std::string plain_name(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  path.erase(0, path.rfind('/') + 1);
  if (path.ends_with(".bin")) path.erase(path.size() - 4);
  return path;
}

Result<void> add_vocabulary(Vocabulary vocabulary, Prepared& prepared) {
  const PlannedTensor* embedding = prepared.plan.find("token_embd.weight");
  if (embedding == nullptr || embedding->size.size() != 2) {
    return fail("expected a token embedding, a matrix, among the tensors");
  }
  const int64_t rows = embedding->size[1];
  if (rows > kMostTokens || rows < static_cast<int64_t>(vocabulary.tokens.size())) {
    return fail("token embedding: expected {} to {} rows, one for each token, found {}",
                vocabulary.tokens.size(), kMostTokens, rows);
  }
  if (vocabulary.punctuation) {
    return fail(
        "normalizer: expected steps that a GGUF file can say, found BertNormalizer "
        "before a vocabulary with scores");
  }
  vocabulary.pad(rows);
  prepared.keys.set_count("vocab_size", rows);
  set_vocabulary_keys(vocabulary, prepared.keys);
  return {};
}

}  // namespace issun::import
