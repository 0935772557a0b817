// issun: one binary, a command a job.
#include <csignal>
#include <cstdio>

#include "apps/commands.h"
#include "apps/version.h"

namespace issun::apps {

void say(const std::string& message) { fmt::print(stderr, "issun: {}\n", message); }

namespace {

int run(int argc, char** argv) {
  CLI::App app("issun: language models on the machine you already have", "issun");
  app.set_version_flag("--version", std::string("issun ") + kVersion);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  Action action;
  for (const auto add : {add_run, add_inspect, add_tokenize, add_detokenize, add_logits, add_verify,
                         add_bench, add_synth, add_eval}) {
    add(app, action);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kWrongUse;
  }
  const Result<int> done = action();
  if (!done) {
    say(done.error().message);
    return kFailed;
  }
  return *done;
}

}  // namespace
}  // namespace issun::apps

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);  // a reader that has seen enough ends the program quietly
  try {
    return issun::apps::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "issun: %s\n", error.what());
    return issun::apps::kFailed;
  }
}
