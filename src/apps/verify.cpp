#include "gguf/verify.h"
#include "apps/commands.h"
#include "apps/json.h"
#include "base/quote.h"
#include "base/streams.h"

namespace issun::apps {

namespace {

struct VerifyFlags {
  std::string path;
  bool json = false;
};

Result<int> verify(const VerifyFlags& flags) {
  const gguf::Verification found = TRY(gguf::verify(flags.path));
  const int code = found.findings.empty() ? kDone : kFailed;
  const auto hex = [](uint64_t hash) { return fmt::format("{:016x}", hash); };
  if (flags.json) {
    Json report = {{"file", flags.path},
                   {"sound", found.findings.empty()},
                   {"hash", hex(found.parts.front().hash)},
                   {"tensors", found.tensors},
                   {"values", found.values},
                   {"findings", found.findings}};
    for (const auto& part : found.parts) {
      report["parts"].push_back(
          {{"file", part.path}, {"bytes", part.bytes}, {"hash", hex(part.hash)}});
    }
    write_out(dump(report, 2) + "\n");
    return code;
  }
  for (const auto& part : found.parts)
    write_out(fmt::format("{}  {}  {} bytes\n", hex(part.hash), visible(part.path), part.bytes));
  for (const std::string& finding : found.findings) say(finding);
  write_out(fmt::format(
      "{} tensors, {} values: {}\n", found.tensors, found.values,
      found.findings.empty() ? "sound" : fmt::format("{} findings", found.findings.size())));
  return code;
}

}  // namespace

void add_verify(CLI::App& app, Action& action) {
  auto* command =
      app.add_subcommand("verify", "read a whole model file: is it sound, and what is its hash");
  auto flags = std::make_shared<VerifyFlags>();
  add_model(*command, flags->path);
  command->add_flag("--json", flags->json, "as JSON");
  command->callback([flags, &action] { action = [flags] { return verify(*flags); }; });
}

}  // namespace issun::apps
