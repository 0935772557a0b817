#include "tokenizer/roles.h"

#include <algorithm>
#include <initializer_list>

namespace issun::tokenizer {
namespace {

using Texts = std::initializer_list<std::string_view>;

// Turn ends by text. The first that the vocabulary has is eot() when the file names none.
constexpr std::string_view kTurnEnds[] = {"<|eot_id|>",
                                          "<|im_end|>",
                                          "<|end|>",
                                          "<end_of_turn>",
                                          "<|end_of_text|>",
                                          "<EOT>",
                                          "_<EOT>",
                                          "[EOT]",
                                          "<end_of_utterance>",
                                          "<|endoftext|>",
                                          "<｜end▁of▁sentence｜>"};
// Further tokens after which generation stops.
constexpr std::string_view kOtherEnds[] = {
    "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",        "</s>", "<|eom_id|>",
    "[EOS]",      "<eos>",    "<turn|>",   "<|tool_response>", "[e~["};
// Code models end an infill with these: padding, the next repository, the next file.
constexpr struct {
  const char* key;
  std::string_view texts[5];
} kInfillEnds[] = {
    {"tokenizer.ggml.fim_pad_token_id",
     {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
    {"tokenizer.ggml.fim_rep_token_id",
     {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
    {"tokenizer.ggml.fim_sep_token_id", {"<|file_sep|>"}},
};
// Parts of an infill prompt: control tokens whatever the file says.
constexpr std::string_view kInfillParts[][8] = {
    {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>",
     "<|code_prefix|>", "<|prefix|>"},
    {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
     "<|code_suffix|>", "<|suffix|>"},
    {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>",
     "<|code_middle|>", "<|middle|>"},
};

class Reader {
 public:
  Reader(const gguf::Metadata& metadata, Vocabulary& vocabulary, Roles& roles,
         std::vector<std::string>& warnings)
      : metadata_(metadata), vocabulary_(vocabulary), roles_(roles), warnings_(warnings) {}

  Result<void> read(const Roles& defaults) {
    const auto id = [&](const char* key, Token otherwise) -> Result<Token> {
      return token_id(key, vocabulary_.has(otherwise) ? otherwise : kNoToken);
    };
    roles_.bos = TRY(id("tokenizer.ggml.bos_token_id", defaults.bos));
    roles_.eos = TRY(id("tokenizer.ggml.eos_token_id", defaults.eos));
    roles_.unknown = TRY(id("tokenizer.ggml.unknown_token_id", defaults.unknown));
    roles_.separator =
        TRY(id("tokenizer.ggml.seperator_token_id", defaults.separator));  // spelt so
    roles_.eot = TRY(token_id("tokenizer.ggml.eot_token_id", kNoToken));
    roles_.eom = TRY(token_id("tokenizer.ggml.eom_token_id", kNoToken));
    if (roles_.eot == kNoToken) roles_.eot = control_token(kTurnEnds);
    if (roles_.eom == kNoToken) roles_.eom = control_token(Texts{"<|eom_id|>"});
    for (const auto& parts : kInfillParts) control_token(parts);
    TRY(collect_ends());
    return {};
  }

 private:
  Result<Token> token_id(const char* key, Token otherwise) const {
    const auto id = TRY(metadata_.get<int64_t>(key));
    if (!id) return otherwise;
    if (*id == -1 || *id == UINT32_MAX) return kNoToken;
    if (*id < 0 || *id >= vocabulary_.size()) {
      return fail("{}: expected an id below {}, the size of the vocabulary, found {}", key,
                  vocabulary_.size(), *id);
    }
    return static_cast<Token>(*id);
  }

  // The first of these that is a token; it is a control token from now on.
  template <class List>
  Token control_token(const List& texts) {
    for (const std::string_view text : texts) {
      const Token token = vocabulary_.find(text);
      if (token == kNoToken) continue;
      make(token, TokenKind::Control);
      return token;
    }
    return kNoToken;
  }

  void make(Token token, TokenKind kind) {
    if (vocabulary_.kind(token) == kind) return;
    vocabulary_.set_kind(token, kind);
    warnings_.push_back(
        fmt::format("token {} '{}' is treated as a {} token, against its type in the file", token,
                    vocabulary_.text(token), kind == TokenKind::Control ? "control" : "visible"));
  }

  Result<void> collect_ends() {
    auto& ends = roles_.ends;
    for (const std::string_view text : kTurnEnds) ends.push_back(control_token(Texts{text}));
    for (const std::string_view text : kOtherEnds) ends.push_back(control_token(Texts{text}));
    for (const auto& infill : kInfillEnds) {
      const Token token = TRY(token_id(infill.key, kNoToken));
      ends.push_back(token != kNoToken ? token : control_token(infill.texts));
    }
    ends.insert(ends.end(), {roles_.eos, roles_.eot, roles_.eom});
    std::sort(ends.begin(), ends.end());
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    std::erase(ends, kNoToken);
    except_harmony();
    // Gemma 4 keeps </s> as an ordinary piece of markup.
    if (is_end("<|tool_response>") && is_end("</s>")) {
      std::erase(ends, vocabulary_.find("</s>"));
      make(vocabulary_.find("</s>"), TokenKind::Normal);
    }
    return {};
  }

  // gpt-oss and Solar: the marks of channels are text, and <|end|> only ends a message, not the
  // answer.
  void except_harmony() {
    for (const std::string_view text :
         {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"}) {
      const Token token = vocabulary_.find(text);
      if (token != kNoToken) make(token, TokenKind::UserDefined);
    }
    const bool calls = is_end("<|call|>") || is_end("<|calls|>");
    if (is_end("<|end|>") && calls && (is_end("<|return|>") || is_end("<|flush|>"))) {
      std::erase(roles_.ends, vocabulary_.find("<|end|>"));
      make(vocabulary_.find("<|end|>"), TokenKind::UserDefined);
    }
  }

  bool is_end(std::string_view text) const {
    const Token token = vocabulary_.find(text);
    return token != kNoToken && std::binary_search(roles_.ends.begin(), roles_.ends.end(), token);
  }

  const gguf::Metadata& metadata_;
  Vocabulary& vocabulary_;
  Roles& roles_;
  std::vector<std::string>& warnings_;
};

}  // namespace

Result<Roles> Roles::read(const gguf::Metadata& metadata, const Roles& defaults,
                          Vocabulary& vocabulary, std::vector<std::string>& warnings) {
  Roles roles;
  TRY(Reader(metadata, vocabulary, roles, warnings).read(defaults));
  const auto check = [&](std::string_view key, bool wanted, Token token) {
    if (wanted && token == kNoToken) {
      warnings.push_back(fmt::format("{}: true, but there is no such token", key));
    }
    return wanted && token != kNoToken;
  };
  const auto flag = [&](const char* key, bool otherwise, Token token) -> Result<bool> {
    return check(key, TRY(metadata.value_or<bool>(key, otherwise)), token);
  };
  if (defaults.add_separator) {  // BERT's frame, which no flag of the file takes away
    roles.add_bos = check("begin of text", true, roles.bos);
    roles.add_separator = check("separator", true, roles.separator);
    return roles;
  }
  roles.add_bos = TRY(flag("tokenizer.ggml.add_bos_token", defaults.add_bos, roles.bos));
  roles.separates_pairs =
      TRY(metadata.value_or<bool>("tokenizer.ggml.add_sep_token", defaults.separates_pairs)) &&
      roles.separator != kNoToken;
  roles.add_eos = TRY(flag("tokenizer.ggml.add_eos_token", defaults.add_eos, roles.eos));
  return roles;
}

}  // namespace issun::tokenizer
