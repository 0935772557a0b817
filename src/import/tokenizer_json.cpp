// The vocabulary that a tokenizer.json means.
#include <algorithm>
#include <cctype>
#include <unordered_map>
#include <utility>

#include "base/quote.h"
#include "import/base64.h"
#include "import/tokenizer_file.h"
#include "import/vocabulary.h"
#include "import/word_splitter.h"

namespace issun::import {

namespace {

constexpr std::string_view kSpaceMark = "▁";

// Calls visit(step) for the steps of a normaliser, or of a list of pre-tokenizers, in order.
template <class Visit>
Result<void> each_step(const Json& step, const char* list, Visit&& visit) {
  if (step.is_null()) return {};
  if (!step["type"].is("Sequence")) return visit(step);
  for (const Json& inner : step[list].items()) TRY(each_step(inner, list, visit));
  return {};
}

std::string type_of(const Json& step) {
  return step["type"].is_string() ? printable(step["type"].text()) : "nothing";
}

class Builder {
 public:
  Builder(const TokenizerFile& file, std::string_view pre, bool cleans_spaces)
      : file_(file), pre_(pre), cleans_spaces_(cleans_spaces) {}

  Result<Vocabulary> build() {
    if (!file_.scores.empty()) v_.scores.reserve(file_.pieces.size());
    TRY(place_pieces());
    TRY(choose_model());
    TRY(place_added());
    read_surroundings();
    return std::move(v_);
  }

 private:
  Result<void> place_pieces() {
    const bool scored = file_.type == "Unigram";
    if (scored && file_.scores.size() != file_.pieces.size()) {
      return fail("vocab: expected a score for each of {} tokens, found {}", file_.pieces.size(),
                  file_.scores.size());
    }
    int64_t most = -1;
    for (const auto& [text, id] : file_.pieces) most = std::max(most, id);
    if (most >= 2 * static_cast<int64_t>(file_.pieces.size()) + 65536) {
      return fail("vocab: expected ids without large gaps, found {} tokens up to {}",
                  file_.pieces.size(), most);
    }
    if (scored || file_.byte_fallback) v_.scores.push_back(0);  // pad() keeps them in step
    if (!v_.scores.empty()) {
      v_.tokens.emplace_back();
      v_.kinds.push_back(TokenKind::Unused);
    }
    for (size_t i = 0; i < file_.pieces.size(); ++i) {
      const auto& [text, id] = file_.pieces[i];
      TRY(v_.put(id, text, TokenKind::Normal, scored ? file_.scores[i] : 0));
    }
    const auto unknown = file_.unknown_id >= 0   ? file_.unknown_id
                         : file_.unknown.empty() ? int64_t{-1}
                                                 : int64_t{v_.find(file_.unknown)};
    if (unknown >= 0 && unknown < static_cast<int64_t>(v_.tokens.size())) {
      v_.ids["unk"] = static_cast<int32_t>(unknown);
      v_.kinds[static_cast<size_t>(unknown)] = TokenKind::Unknown;
    }
    return {};
  }

  Result<void> choose_model() {
    if (file_.type == "BPE" && file_.byte_fallback) return like_sentencepiece();
    if (file_.type == "BPE") return byte_level();
    if (file_.type == "Unigram") return unigram();
    if (file_.type == "WordPiece") return word_piece();
    return fail("model: expected BPE, Unigram or WordPiece, found '{}'", printable(file_.type));
  }

  Result<void> byte_level() {
    v_.model = "gpt2";
    TRY(each_step(file_.normalizer, "normalizers", [](const Json& step) -> Result<void> {
      if (step["type"].is("NFC")) return {};  // which the reference engine leaves out as well
      return fail("normalizer: expected none or NFC beside bytes, found '{}'", type_of(step));
    }));
    const Result<std::string> found =
        pre_.empty() ? find_splitter({file_.pre_tokenizer, file_.ignore_merges, cleans_spaces_})
                     : Result<std::string>(std::string(pre_));
    if (!found) return fail("pre_tokenizer: {}", found.error().message);
    v_.pre = *found;
    for (const auto& [left, right] : file_.merges) v_.merges.push_back(joined(left, right));
    return {};
  }

  // A space within a side, which a merge of a GGUF file could not hold, is a byte's character.
  static std::string joined(std::string_view left, std::string_view right) {
    std::string merge;
    for (const char c : left) merge += c == ' ' ? std::string("Ġ") : std::string(1, c);
    merge += ' ';
    for (const char c : right) merge += c == ' ' ? std::string("Ġ") : std::string(1, c);
    return merge;
  }

  // SentencePiece's BPE merges the pair whose result scores best; the list of merges was made from
  // the scores, all pairs of one result together. So a result's place in it stands for its score.
  Result<void> like_sentencepiece() {
    v_.model = "llama";
    v_.pre = "default";
    TRY(read_marks());
    std::unordered_map<std::string_view, size_t> ids;
    for (size_t id = 0; id < v_.tokens.size(); ++id) ids.emplace(v_.tokens[id], id);
    std::fill(v_.scores.begin(), v_.scores.end(), -1e6f);
    float next = 0;
    for (const auto& [left, right] : file_.merges) {
      const auto made = ids.find(left + right);
      if (made == ids.end()) return fail("merges: '{}' is no token", printable(left + right));
      float& score = v_.scores[made->second];
      if (score == -1e6f) score = next--;
      v_.merges.push_back(joined(left, right));
    }
    for (size_t id = 0; id < v_.tokens.size(); ++id) {
      if (is_byte(v_.tokens[id])) v_.kinds[id] = TokenKind::Byte;
    }
    return {};
  }

  static bool is_byte(std::string_view text) {
    return text.size() == 6 && text.starts_with("<0x") && text.ends_with('>') &&
           text.find_first_not_of("0123456789ABCDEF", 3) == 5;
  }

  Result<void> unigram() {
    v_.model = "t5";
    v_.pre = "default";
    v_.remove_extra_whitespaces = false;
    TRY(read_marks());
    for (size_t id = 0; id < v_.tokens.size(); ++id) {
      if (file_.byte_fallback && is_byte(v_.tokens[id])) v_.kinds[id] = TokenKind::Byte;
    }
    return {};
  }

  // Steps that cut BERT's words before anything else: its normaliser, spaces around each of ASCII's
  // punctuation, one for every run of them. False: another step.
  Result<bool> read_word_step(const Json& step) {
    const Json& target = step["pattern"]["String"];
    if (step["type"].is("BertNormalizer")) {
      for (const char* part : {"clean_text", "handle_chinese_chars"}) {
        if (step[part].is_bool() && !step[part].boolean()) {
          return fail("normalizer: BertNormalizer: {}: expected true, found false", part);
        }
      }
      read_case(step);
      v_.punctuation = false;
    } else if (v_.punctuation && step["type"].is("Replace") && target.is_string() &&
               step["content"].is(" " + target.text() + " ")) {
      apart_ += target.text();
      v_.punctuation = true;
    } else if (v_.punctuation && step["type"].is("Replace") &&
               step["pattern"]["Regex"].is("\\s+") && step["content"].is(" ")) {
      v_.remove_extra_whitespaces = true;
    } else {
      return false;
    }
    return true;
  }

  // All of ASCII's punctuation or none stands by itself.
  Result<void> check_apart() const {
    std::string all;
    for (char c = '!'; c <= '~'; ++c) {
      if (std::ispunct(static_cast<unsigned char>(c)) != 0) all += c;
    }
    std::string found = apart_;
    std::sort(found.begin(), found.end());
    if (found.empty() || found == all) return {};
    return fail("normalizer: expected spaces around all of {} or none, found '{}'", all,
                printable(found));
  }

  void read_case(const Json& step) {
    const bool lower = !step["lowercase"].is_bool() || step["lowercase"].boolean();
    v_.lowercase = lower;
    // Left open, accents go with capital letters.
    v_.strip_accents = step["strip_accents"].is_bool() ? step["strip_accents"].boolean() : lower;
  }

  // How spaces become marks, by the steps before the merges; a text may get one in front.
  Result<void> read_marks() {
    bool marks = false, prefix = false;
    TRY(each_step(file_.normalizer, "normalizers", [&](const Json& step) -> Result<void> {
      if (TRY(read_word_step(step))) return {};
      const Json& pattern = step["pattern"];
      const Json& target = pattern.has("Regex") ? pattern["Regex"] : pattern["String"];
      if (step["type"].is("Prepend") && step["prepend"].is(kSpaceMark)) {
        prefix = true;
      } else if (step["type"].is("Replace") && target.is(" ") && step["content"].is(kSpaceMark)) {
        marks = true;
      } else if (step["type"].is("Replace") && target.is("(?<!\\n)^") &&
                 step["content"].is(kSpaceMark)) {
        prefix = true;
      } else if (step["type"].is("Replace") && target.is(" {2,}") && step["content"].is(" ")) {
        v_.remove_extra_whitespaces = true;
      } else if (step["type"].is("Strip")) {
        v_.remove_extra_whitespaces = true;
      } else if (step["type"].is("Precompiled") && step["precompiled_charsmap"].is_string()) {
        const auto map = from_base64(step["precompiled_charsmap"].text());
        if (!map) return fail("normalizer: precompiled_charsmap: expected base64");
        v_.charsmap = *map;
      } else {
        return fail("normalizer: expected steps of SentencePiece, found '{}'", type_of(step));
      }
      return {};
    }));
    TRY(each_step(file_.pre_tokenizer, "pretokenizers", [&](const Json& step) -> Result<void> {
      if (step["type"].is("WhitespaceSplit")) {
        v_.remove_extra_whitespaces = true;
        return {};
      }
      if (step["type"].is("Split") && step["pattern"]["String"].is(" ")) return {};
      if (!step["type"].is("Metaspace")) {
        return fail("pre_tokenizer: expected Metaspace, found '{}'", type_of(step));
      }
      marks = true;
      prefix = step["prepend_scheme"].is_string()
                   ? !step["prepend_scheme"].is("never")
                   : !step["add_prefix_space"].is_bool() || step["add_prefix_space"].boolean();
      return {};
    }));
    TRY(check_apart());
    if (!marks) return fail("normalizer: expected spaces to become marks (U+2581)");
    v_.add_space_prefix = prefix;
    return {};
  }

  // Words begin with a mark in the file, and go on without; the authors write it the other way.
  Result<void> word_piece() {
    v_.model = "bert";
    v_.pre = pre_.empty() ? "bert-bge" : std::string(pre_);
    TRY(each_step(file_.normalizer, "normalizers", [&](const Json& step) -> Result<void> {
      if (step["type"].is("Lowercase")) {
        v_.lowercase = true;
      } else if (step["type"].is("StripAccents")) {
        v_.strip_accents = true;
      } else if (step["type"].is("BertNormalizer")) {
        read_case(step);
      } else {
        return fail("normalizer: expected BertNormalizer, found '{}'", type_of(step));
      }
      return {};
    }));
    return {};
  }

  Result<void> place_added() {
    for (const Json& entry : file_.added.items()) {
      if (!entry["id"].is_integer() || !entry["content"].is_string()) {
        return fail("added_tokens: expected an id and a content for each");
      }
      std::string text = entry["content"].text();
      const int64_t id = entry["id"].integer();
      const auto unknown = v_.ids.find("unk");
      TokenKind kind = TokenKind::UserDefined;
      if (unknown != v_.ids.end() && id == unknown->second) {
        kind = TokenKind::Unknown;
      } else if (entry["special"].is_true() || (v_.model != "t5" && looks_special(text))) {
        kind = TokenKind::Control;
      } else if (v_.model == "gpt2" || v_.model == "llama") {
        for (size_t at = 0; (at = text.find(kSpaceMark, at)) != std::string::npos;) {
          text.replace(at, kSpaceMark.size(), " ");
        }
      }
      if (id >= static_cast<int64_t>(v_.tokens.size()) + 65536) {
        return fail("added_tokens: expected ids next to the vocabulary of {}, found {}",
                    v_.tokens.size(), id);
      }
      const bool scored =
          file_.type == "Unigram" && id >= 0 && id < static_cast<int64_t>(file_.scores.size());
      TRY(v_.put(id, std::move(text), kind,
                 scored ? file_.scores[static_cast<size_t>(id)] : kAddedScore));
    }
    if (v_.model != "bert") return {};
    for (size_t id = 0; id < v_.tokens.size(); ++id) {
      if (v_.kinds[id] == TokenKind::Control || v_.kinds[id] == TokenKind::Unknown) continue;
      std::string& text = v_.tokens[id];
      if (text.starts_with(file_.continuing_prefix)) {
        text.erase(0, file_.continuing_prefix.size());
      } else {
        text.insert(0, kSpaceMark);
      }
    }
    return {};
  }

  // What is put around a text on its own.
  void read_surroundings() {
    bool first = false, last = false;
    std::string first_text, last_text;
    (void)each_step(file_.post_processor, "processors", [&](const Json& step) -> Result<void> {
      const auto token = [&](const Json& part) {
        const Json& id = part["SpecialToken"]["id"];
        return id.is_string() ? id.text() : std::string();
      };
      if (step["type"].is("TemplateProcessing") && step["single"].items().size() > 1) {
        first_text = token(step["single"].items().front());
        last_text = token(step["single"].items().back());
      } else if (step["type"].is("RobertaProcessing") || step["type"].is("BertProcessing")) {
        const auto& begin = step["cls"].items();
        const auto& end = step["sep"].items();
        if (!begin.empty() && begin[0].is_string()) first_text = begin[0].text();
        if (!end.empty() && end[0].is_string()) last_text = end[0].text();
      }
      first = !first_text.empty(), last = !last_text.empty();
      return {};
    });
    v_.adds["bos"] = first;
    v_.adds["eos"] = last;
    if (first && v_.find(first_text) >= 0) v_.ids["bos"] = v_.find(first_text);
    if (last && v_.find(last_text) >= 0) v_.ids["eos"] = v_.find(last_text);
    v_.end_of_text = last_text;
  }

  const TokenizerFile& file_;
  const std::string_view pre_;
  const bool cleans_spaces_;
  std::string apart_;  // what gets spaces around it
  Vocabulary v_;
};

}  // namespace

Result<Vocabulary> read_tokenizer_json(std::string_view text, std::string_view name,
                                       std::string_view pre, bool cleans_spaces) {
  const Result<TokenizerFile> file = read_tokenizer_file(text);
  Result<Vocabulary> vocabulary = file ? Builder(*file, pre, cleans_spaces).build()
                                       : Result<Vocabulary>(tl::unexpected<Error>(file.error()));
  if (!vocabulary) return fail("{}: {}", name, vocabulary.error().message);
  return vocabulary;
}

}  // namespace issun::import
