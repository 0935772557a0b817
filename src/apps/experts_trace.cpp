#include "apps/experts.h"
#include "apps/experts_text.h"
#include "apps/json.h"
#include "base/quote.h"
#include "base/streams.h"
#include "experts/replay.h"
#include "measure/forced_reading.h"
#include "measure/routing_recorder.h"

namespace issun::apps {

namespace {

struct TraceFlags {
  ModelFlags model;
  ForcedText text;
  std::string out;
  int lookahead = 2;
};

Result<int> trace(const TraceFlags& flags) {
  auto opened = TRY(flags.model.open_model());
  flags.model.warn(*opened);
  const auto tokens = TRY(flags.text.read(opened->tokenizer));
  measure::RoutingRecorder recorder(TRY(measure::trace_header(*opened)), flags.lookahead);
  for (const MappedFile& part : opened->file.parts())
    TRY(expect_another_file(flags.out, part.path()));
  engine::RuntimeOptions options = TRY(flags.model.runtime_options());
  if (options.residency.missing != model::Missing::Exact) {
    return fail(
        "--expert-missing: a trace is of what the model's routers choose: expected exact, "
        "found {}",
        model::name(options.residency.missing));
  }
  options.routing = &recorder;
  options.context = std::max<int64_t>(options.context, static_cast<int64_t>(tokens.size()));
  const auto runtime = TRY(engine::Runtime::start(std::move(opened), options));
  TRY(recorder.write_to(flags.out));
  show_progress(fmt::format("reading {} tokens ...", tokens.size()));
  TRY(measure::read_forced(*runtime, tokens, flags.text.prompt));
  hide_progress();
  TRY(recorder.finish());
  write_out(fmt::format("{}: {} tokens at {} layers with {} experts each, {} used\n",
                        visible(flags.out), tokens.size(), recorder.trace().header.layers.size(),
                        recorder.trace().header.experts[0], recorder.trace().header.used));
  for (const experts::GuessRecall& recall : experts::recall_of_guesses(recorder.trace())) {
    write_out(
        fmt::format("guessed {} layer{} ahead: the first guess finds {:.1f} % of those "
                    "chosen, two find {:.1f} %, {} find {:.1f} %\n",
                    recall.distance, recall.distance == 1 ? "" : "s", 100 * recall.first,
                    100 * recall.first_two, recorder.trace().header.used, 100 * recall.first_used));
  }
  return kDone;
}

}  // namespace

void add_experts_trace(CLI::App& experts, Action& action) {
  auto* command = experts.add_subcommand(
      "trace",
      "write down which experts a model chooses for a text, and how well they are guessed");
  auto flags = std::make_shared<TraceFlags>();
  flags->model.add(*command, true);
  flags->text.add(*command);
  command->add_option("-o,--out", flags->out, "file to write, JSON lines")->required();
  command->add_option("--lookahead", flags->lookahead, "layers ahead whose guesses are noted")
      ->check(CLI::Range(0, 8))
      ->capture_default_str();
  command->callback([flags, &action] { action = [flags] { return trace(*flags); }; });
}

}  // namespace issun::apps
