#include "apps/commands.h"
#include "base/file.h"
#include "model/sequence.h"

namespace issun::apps {

namespace {

struct LogitsFlags {
  ModelFlags model;
  std::string tokens, out;
};

// Every position's logits, float32, (tokens, vocabulary), computed --batch tokens at a time.
Result<int> logits(const LogitsFlags& flags) {
  const std::vector<int32_t> tokens = TRY(parse_tokens(flags.tokens));
  if (tokens.empty()) return fail("--tokens: expected at least one id");
  ModelFlags model = flags.model;
  if (model.options.context == 0) model.options.context = static_cast<int64_t>(tokens.size());
  model.options.max_outputs = model.options.max_rows;
  const auto runtime = TRY(model.open());
  for (const int32_t token : tokens) {
    if (token < 0 || token >= runtime->model().config.vocabulary_size) {
      return fail("--tokens: expected ids from 0 to {}, found {}",
                  runtime->model().config.vocabulary_size - 1, token);
    }
  }
  if (static_cast<int64_t>(tokens.size()) > runtime->options().context) {
    return fail("--tokens: {} ids do not fit a context of {}", tokens.size(),
                runtime->options().context);
  }
  cache::PagedKv cache = TRY(runtime->new_cache());
  model::Sequence sequence(runtime->forward(), cache);
  AtomicFile file = TRY(AtomicFile::create(flags.out));
  const size_t most_rows = static_cast<size_t>(runtime->options().max_rows);
  for (size_t begin = 0; begin < tokens.size(); begin += most_rows) {
    const auto piece = std::span(tokens).subspan(begin, std::min(most_rows, tokens.size() - begin));
    const Matrix<const float> computed = TRY(sequence.append(piece, model::Wanted::All));
    TRY(runtime->model().file.still_whole());
    TRY(file.write(std::as_bytes(
        std::span(computed.data, static_cast<size_t>(computed.rows * computed.columns)))));
  }
  TRY(file.finish());
  return kDone;
}

}  // namespace

void add_logits(CLI::App& app, Action& action) {
  auto* command =
      app.add_subcommand("logits", "the logits of every position, as float32, for comparisons");
  auto flags = std::make_shared<LogitsFlags>();
  flags->model.add(*command);
  command->add_option("--tokens", flags->tokens, "ids, separated by commas")->required();
  command
      ->add_option("-o,--out", flags->out,
                   "file to write: float32, little-endian, (tokens, vocabulary)")
      ->required();
  command->callback([flags, &action] { action = [flags] { return logits(*flags); }; });
}

}  // namespace issun::apps
