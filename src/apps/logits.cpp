#include "apps/commands.h"
#include "base/file.h"

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
  cache::PageTable table = cache.new_table();
  AtomicFile file = TRY(AtomicFile::create(flags.out));
  std::vector<int32_t> outputs;
  for (size_t begin = 0; begin < tokens.size();) {
    const size_t rows =
        std::min(tokens.size() - begin, static_cast<size_t>(runtime->options().max_rows));
    outputs.resize(rows);
    for (size_t i = 0; i < rows; ++i) outputs[i] = static_cast<int32_t>(i);
    cache.extend(table, static_cast<int>(rows));
    const model::SequenceRows sequence{&table, static_cast<int>(rows)};
    const auto computed = runtime->forward().run(
        {std::span(tokens).subspan(begin, rows), {&sequence, 1}, outputs}, cache);
    TRY(runtime->model().file.still_whole());
    TRY(file.write(std::as_bytes(
        std::span(computed.data, static_cast<size_t>(computed.rows * computed.columns)))));
    begin += rows;
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
