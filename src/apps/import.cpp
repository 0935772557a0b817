#include "import/import.h"
#include "apps/commands.h"
#include "apps/json.h"
#include "base/clock.h"
#include "base/quote.h"
#include "base/streams.h"

namespace issun::apps {

namespace {

struct ImportFlags {
  std::string source, out, type = "keep";
  import::ImportOptions options;
  bool json = false;
};

constexpr const char* kTypes[] = {"keep", "f32", "f16", "bf16", "q8_0"};

Result<int> import_file(const ImportFlags& flags) {
  const double start = seconds_now();
  import::ImportOptions options = flags.options;
  if (flags.type != "keep") options.type = dtype_from_name(flags.type);
  options.progress = percent_written(flags.out);
  const import::ImportReport report = TRY(import::import_model(flags.source, flags.out, options));
  const double seconds = seconds_now() - start;
  for (const std::string& note : report.notes) say("note: " + note);
  if (flags.json) {
    write_out(dump(Json{{"file", flags.out},
                        {"architecture", report.architecture},
                        {"tensors", report.tensors},
                        {"weight_bytes", report.weight_bytes},
                        {"notes", report.notes},
                        {"seconds", seconds}}) +
              "\n");
    return kDone;
  }
  write_out(fmt::format("{}: {}, {} tensors, {:.1f} MB in {:.1f} s\n", visible(flags.out),
                        report.architecture, report.tensors,
                        static_cast<double>(report.weight_bytes) * 1e-6, seconds));
  return kDone;
}

}  // namespace

void add_import(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "import", "make a GGUF file of a Hugging Face directory or of a llama2.c file");
  auto flags = std::make_shared<ImportFlags>();
  command
      ->add_option("source", flags->source,
                   "directory with config.json, safetensors and tokenizer; or a llama2.c .bin")
      ->required();
  command->add_option("out", flags->out, "file to write")->required();
  command->add_option("--type", flags->type, "of the matrices: keep, f32, f16, bf16 or q8_0")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kTypes), std::end(kTypes))))
      ->capture_default_str();
  command->add_option("--tokenizer", flags->options.tokenizer,
                      "tokenizer.model or tokenizer.bin, if not the one beside the weights");
  command->add_option("--pre", flags->options.pre,
                      "how words are split (tokenizer.ggml.pre), if the rules are not recognised");
  command->add_flag("--json", flags->json, "report as JSON");
  command->callback([flags, &action] { action = [flags] { return import_file(*flags); }; });
}

}  // namespace issun::apps
