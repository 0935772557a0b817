#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "apps/commands.h"
#include "apps/json.h"
#include "base/file.h"
#include "base/streams.h"
#include "engine/static_embedder.h"
#include "import/model2vec.h"

namespace issun::apps {

namespace {

// What `embed` and `rerank` share.
struct EmbedderFlags {
  std::string model;
  engine::EmbedderOptions options;
  std::vector<std::string> texts, files;
  std::string long_texts = "refuse", pooling;
  bool json = false;

  void add(CLI::App& command, const char* text_flags, const char* what) {
    add_model(command, model);
    command.add_option(text_flags, texts, fmt::format("a {}; again for more", what))
        ->allow_extra_args(false);
    command.add_option("-f,--file", files, fmt::format("a file whose whole text is a {}", what))
        ->allow_extra_args(false);
    command.add_option("-t,--threads", options.threads, "threads; 0 or -1: one for each core")
        ->check(CLI::Range(-1, 1024));
    command
        .add_option("-c,--ctx-size", options.context,
                    "tokens read at a time; 0: as many as the model was trained with")
        ->check(CLI::Range(int64_t{0}, int64_t{1} << 30));
    command
        .add_option("--long", long_texts,
                    "texts longer than that: refuse them, or split them into windows")
        ->check(CLI::IsMember({"refuse", "split"}))
        ->capture_default_str();
    command.add_flag("--exact", options.exact,
                     "activations in F32 throughout: slower, free of rounding to 8 bits or bf16");
    command.add_flag("--json", json, "as JSON");
  }

  engine::EmbedderOptions chosen() const {
    engine::EmbedderOptions chosen = options;
    chosen.threads = std::max(0, options.threads);
    chosen.split = long_texts == "split";
    if (!pooling.empty()) chosen.pooling = engine::pooling_from_name(pooling);
    return chosen;
  }

  Result<std::unique_ptr<engine::Embedder>> open() const {
    auto opened = TRY(model::Model::open(model));
    for (const std::string& warning : opened->tokenizer.warnings()) say("warning: " + warning);
    return engine::Embedder::create(std::move(opened), chosen());
  }

  // Those of the flags, then those of the files; without any the lines of standard input.
  Result<std::vector<std::string>> read() const {
    std::vector<std::string> all = texts;
    for (const std::string& file : files) all.push_back(TRY(read_text(file)));
    if (!all.empty()) return all;
    const std::string input = TRY(read_text("-"));
    for (size_t at = 0; at < input.size();) {
      const size_t end = std::min(input.find('\n', at), input.size());
      all.push_back(input.substr(at, end - at));
      at = end + 1;
    }
    return all;
  }
};

std::string line_of(const std::vector<float>& vector) {
  return fmt::format("{}\n", fmt::join(vector, " "));
}

struct EmbedFlags : EmbedderFlags {
  std::string tokens;
  bool normalise_given = false;
};

template <class Embedder>
Result<std::vector<engine::TextEmbedding>> embeddings_of(const EmbedFlags& flags,
                                                         Embedder& embedder) {
  if (flags.tokens.empty()) return embedder.embed(TRY(flags.read()));
  std::vector<engine::TextEmbedding> one;
  one.push_back(TRY(embedder.embed_tokens(TRY(parse_tokens(flags.tokens)))));
  return one;
}

template <class Embedder>
Result<int> print_embeddings(const EmbedFlags& flags, bool normalised, Embedder& embedder) {
  const auto embeddings = TRY(embeddings_of(flags, embedder));
  const bool each_token = embedder.pooling() == model::Pooling::None;
  if (!flags.json) {
    for (const auto& embedding : embeddings) {
      for (const auto& vector : embedding.vectors) write_out(line_of(vector));
      if (each_token) write_out("\n");
    }
    return kDone;
  }
  Json report{{"model", flags.model},
              {"pooling", engine::name(embedder.pooling())},
              {"normalised", normalised},
              {"embeddings", Json::array()}};
  for (size_t i = 0; i < embeddings.size(); ++i) {
    const auto& embedding = embeddings[i];
    Json entry{{"index", i}, {"tokens", embedding.tokens}, {"windows", embedding.windows}};
    entry["embedding"] = each_token ? Json(embedding.vectors) : Json(embedding.vectors[0]);
    report["embeddings"].push_back(std::move(entry));
  }
  write_out(dump(report) + "\n");
  return kDone;
}

Result<int> embed(const EmbedFlags& flags) {
  if (!import::is_model2vec(flags.model)) {
    const auto embedder = TRY(flags.open());
    return print_embeddings(flags, flags.options.normalise, *embedder);
  }
  const auto model = TRY(import::open_model2vec(flags.model));
  engine::EmbedderOptions options = flags.chosen();
  if (!flags.normalise_given) options.normalise = model->table.normalised;
  auto embedder =
      TRY(engine::StaticEmbedder::create(*model->tokenizer, model->table, model->dropped, options));
  const int status = TRY(print_embeddings(flags, options.normalise, embedder));
  TRY(model->file.still_whole());
  return status;
}

struct RerankFlags : EmbedderFlags {
  std::string query;
  size_t top = 0;  // 0: all
};

Result<int> rerank(const RerankFlags& flags) {
  const auto embedder = TRY(flags.open());
  const std::vector<std::string> documents = TRY(flags.read());
  const std::vector<float> scores = TRY(embedder->rank(flags.query, documents));
  std::vector<size_t> order(documents.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  if (flags.top > 0 && flags.top < order.size()) order.resize(flags.top);
  Json results = Json::array();
  for (const size_t i : order) {
    if (flags.json) {
      results.push_back({{"index", i}, {"score", scores[i]}, {"document", documents[i]}});
    } else {
      write_out(fmt::format("{:>12.6f}  {:>5}  {}\n", scores[i], i + 1, dump(documents[i])));
    }
  }
  if (flags.json) {
    write_out(dump({{"model", flags.model}, {"query", flags.query}, {"results", results}}) + "\n");
  }
  return kDone;
}

}  // namespace

void add_embed(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("embed", "vectors that stand for texts, one line a text");
  auto flags = std::make_shared<EmbedFlags>();
  flags->add(*command, "-p,--prompt,--text", "text (none: the lines of standard input)");
  command
      ->add_option("--pooling", flags->pooling,
                   "what a text's vector is: the mean of its tokens', the first (cls), the last; "
                   "none: one a token; not given: as the model's makers say")
      ->check(CLI::IsMember({"none", "mean", "cls", "last"}));
  command
      ->add_option("--tokens", flags->tokens,
                   "one text as ids, separated by commas, with those at its ends")
      ->excludes("--prompt")
      ->excludes("--file");
  auto* normalise = command->add_flag(
      "--normalise,--normalize,!--no-normalise,!--no-normalize", flags->options.normalise,
      "vectors of length 1 (the default, unless a model without layers says otherwise), or as they "
      "come");
  command->callback([flags, normalise, &action] {
    flags->normalise_given = normalise->count() > 0;
    action = [flags] { return embed(*flags); };
  });
}

void add_rerank(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("rerank", "documents by how well they answer a query");
  auto flags = std::make_shared<RerankFlags>();
  flags->add(*command, "-d,--document", "document (none: the lines of standard input)");
  command->add_option("-q,--query", flags->query, "what is asked")->required();
  command->add_option("-n,--top-n", flags->top, "show the best so many; 0: all")
      ->capture_default_str();
  command->callback([flags, &action] { action = [flags] { return rerank(*flags); }; });
}

}  // namespace issun::apps
