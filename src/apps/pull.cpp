#include "apps/commands.h"
#include "apps/json.h"
#include "apps/model_source.h"
#include "base/quote.h"
#include "base/streams.h"
#include "base/terminal.h"
#include "fetch/sha256.h"

namespace issun::apps {

namespace {

struct PullFlags {
  std::vector<std::string> models;
  std::string sha256;
  int streams = 4, attempts = 6;
  double stall_seconds = 30;
  bool json = false;
};

Json described(const fetch::Pulled& pulled) {
  Json files = Json::array();
  for (const fetch::StoredFile& file : pulled.model.files) {
    files.push_back({{"file", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  return {{"name", pulled.model.name}, {"source", pulled.model.source},
          {"type", pulled.model.type}, {"bytes", pulled.model.bytes()},
          {"fetched", pulled.fetched}, {"files", files}};
}

Result<int> pull(const PullFlags& flags, const CLI::App& command) {
  if (flags.models.size() > 1 && !flags.sha256.empty()) {
    say("--sha256: expected one model beside it");
    return kWrongUse;
  }
  if (is_offline(command)) return fail("pull: nothing is fetched offline");
  fetch::PullOptions options = TRY(pull_options(command));
  options.sha256 = flags.sha256;
  options.streams = flags.streams;
  options.attempts = flags.attempts;
  options.stall_seconds = flags.stall_seconds;
  const fetch::Store store = TRY(fetch::Store::of_user());
  const Interrupts interrupts;
  Json reports = Json::array();
  for (const std::string& model : flags.models) {
    const fetch::Address address = TRY(fetch::parse_address(model));
    const auto pulled = fetch::pull(store, address, options);
    hide_progress();
    if (!pulled && Interrupts::pending()) {
      return fail("{}; what came is kept, and the same command goes on", pulled.error().message);
    }
    const fetch::Pulled done = TRY(pulled);
    if (!done.fetched) say(done.model.name + ": nothing new");
    if (done.fetched && !done.was_known) {
      say(fmt::format("{}: the server told no SHA-256 to compare with; what came has {}",
                      done.model.name, done.model.files.front().sha256));
    }
    reports.push_back(described(done));
    if (!flags.json) write_out(visible(done.model.name) + "\n");
  }
  if (flags.json) write_out(dump(reports, 2) + "\n");
  return kDone;
}

}  // namespace

void add_pull(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "pull", "fetch a model, or bring one that is here up to date; prints its name");
  auto flags = std::make_shared<PullFlags>();
  command
      ->add_option("addresses", flags->models,
                   "hf:OWNER/NAME, hf:OWNER/NAME:TYPE (as Q4_K_M), hf:OWNER/NAME/FILE.gguf, the "
                   "address of a GGUF file, or a name that `list` prints")
      ->required()
      ->check(expect_text);
  add_source_flags(*command);
  command->add_option("--sha256", flags->sha256, "what the file of an address has to have")
      ->check([](const std::string& text) {
        return fetch::is_sha256(text) ? "" : "expected 64 digits 0-9a-f";
      });
  command->add_option("--streams", flags->streams, "parts of a file fetched at once")
      ->check(CLI::Range(1, 32))
      ->capture_default_str();
  command
      ->add_option("--attempts", flags->attempts,
                   "how often in a row a server may fail before it is given up")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      ->add_option("--stall", flags->stall_seconds,
                   "seconds without a byte after which a connection is given up")
      ->check(CLI::Range(1.0, 3600.0))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "as JSON");
  command->callback(
      [flags, command, &action] { action = [flags, command] { return pull(*flags, *command); }; });
}

}  // namespace issun::apps
