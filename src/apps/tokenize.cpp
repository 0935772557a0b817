#include "apps/commands.h"
#include "apps/default_model.h"
#include "apps/json.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/streams.h"
#include "gguf/reader.h"

namespace issun::apps {

namespace {

// A tokenizer and the file its texts live in.
struct OpenTokenizer {
  gguf::GgufFile file;
  tokenizer::Tokenizer tokenizer;
};

// Needs no weights: a file with a vocabulary alone will do.
Result<OpenTokenizer> open_tokenizer(const std::string& path) {
  gguf::GgufFile file = TRY(path.empty() ? gguf::GgufFile::parse(default_model(), kDefaultModelName)
                                         : gguf::GgufFile::open(path));
  auto tokenizer = tokenizer::Tokenizer::create(file.metadata());
  if (!tokenizer)
    return fail("{}: {}", path.empty() ? kDefaultModelName : path, tokenizer.error().message);
  for (const std::string& warning : tokenizer->warnings()) say("warning: " + warning);
  return OpenTokenizer{std::move(file), std::move(*tokenizer)};
}

struct TokenizeFlags {
  std::string model, text, file = "-";
  bool has_text = false, json = false, no_special = false, no_parse_special = false;
};

Result<int> tokenize(const TokenizeFlags& flags) {
  const OpenTokenizer open = TRY(open_tokenizer(flags.model));
  const std::string text = flags.has_text ? flags.text : TRY(read_text(flags.file));
  const auto tokens = TRY(open.tokenizer.encode(
      text, {.add_special = !flags.no_special, .parse_special = !flags.no_parse_special}));
  if (flags.json) {
    write_out(dump({{"tokens", tokens}, {"count", tokens.size()}}) + "\n");
    return kDone;
  }
  for (const int32_t token : tokens) {
    std::string piece;
    open.tokenizer.append_piece(token, true, piece);
    write_out(fmt::format("{:>7}  {}\n", token, visible(dump(piece))));
  }
  return kDone;
}

struct DetokenizeFlags {
  std::string model, tokens;
  bool show_special = false;
};

Result<int> detokenize(const DetokenizeFlags& flags) {
  const OpenTokenizer open = TRY(open_tokenizer(flags.model));
  const std::vector<int32_t> tokens = TRY(parse_tokens(flags.tokens));
  for (const int32_t token : tokens) {
    if (token < 0 || token >= open.tokenizer.vocabulary_size()) {
      return fail("tokens: expected numbers from 0 to {}, found {}",
                  open.tokenizer.vocabulary_size() - 1, token);
    }
  }
  write_out(open.tokenizer.decode(tokens, flags.show_special) + "\n");
  return kDone;
}

}  // namespace

void add_tokenize(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("tokenize", "text to token ids, one a line with its text");
  auto flags = std::make_shared<TokenizeFlags>();
  add_model(*command, flags->model, true);
  auto* text = command->add_option("-p,--prompt", flags->text, "the text; none: standard input");
  command->add_option("-f,--file", flags->file, "read the text from a file")->excludes(text);
  command->add_flag("--no-bos", flags->no_special,
                    "do not add the tokens that begin and end a text");
  command->add_flag("--no-parse-special", flags->no_parse_special,
                    "take special tokens in the text as plain text");
  command->add_flag("--json", flags->json, "as JSON");
  command->callback([flags, text, &action] {
    flags->has_text = text->count() > 0;
    action = [flags] { return tokenize(*flags); };
  });
}

void add_detokenize(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("detokenize", "token ids to text");
  auto flags = std::make_shared<DetokenizeFlags>();
  add_model(*command, flags->model, true);
  command->add_option("--tokens", flags->tokens, "ids, separated by commas")->required();
  command->add_flag("--show-special", flags->show_special, "write special tokens too");
  command->callback([flags, &action] { action = [flags] { return detokenize(*flags); }; });
}

}  // namespace issun::apps
