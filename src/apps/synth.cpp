#include "measure/synth.h"
#include "apps/commands.h"
#include "apps/json.h"
#include "base/clock.h"
#include "base/quote.h"
#include "base/streams.h"

namespace issun::apps {

namespace {

struct SynthFlags {
  std::string shape, type, path;
  uint64_t seed = 1;
  bool json = false;
};

Result<int> synth(const SynthFlags& flags) {
  const double start = seconds_now();
  const measure::SynthReport report = TRY(measure::write_synthetic(
      *measure::shape_from_name(flags.shape), *quantize::file_type_from_name(flags.type),
      flags.path, {.seed = flags.seed, .progress = percent_written(flags.path)}));
  const double seconds = seconds_now() - start;
  hide_progress();
  if (flags.json) {
    write_out(dump(Json{{"file", flags.path},
                        {"shape", flags.shape},
                        {"type", quantize::file_type_from_name(flags.type)->name},
                        {"seed", flags.seed},
                        {"tensors", report.tensors},
                        {"parameters", report.parameters},
                        {"weight_bytes", report.weight_bytes},
                        {"seconds", seconds}}) +
              "\n");
    return kDone;
  }
  write_out(fmt::format("{}: {} tensors, {:.3f} billion parameters, {:.1f} MB of {} in {:.1f} s\n",
                        visible(flags.path), report.tensors,
                        static_cast<double>(report.parameters) * 1e-9,
                        static_cast<double>(report.weight_bytes) * 1e-6,
                        quantize::file_type_from_name(flags.type)->name, seconds));
  return kDone;
}

std::string check_shape(const std::string& text) {
  if (measure::shape_from_name(text) != nullptr) return "";
  return fmt::format("expected one of {}, found '{}'", measure::shape_names(), text);
}

std::string check_type(const std::string& text) {
  if (quantize::file_type_from_name(text) != nullptr) return "";
  std::string names;
  for (const quantize::FileType& type : quantize::file_types()) {
    names += (names.empty() ? "" : ", ") + std::string(type.name);
  }
  return fmt::format("expected one of {}, found '{}'", names, text);
}

}  // namespace

void add_synth(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "synth", "write a model of random weights in the shape of a public one, to measure with");
  auto flags = std::make_shared<SynthFlags>();
  command->add_option("shape", flags->shape, "one of " + measure::shape_names())
      ->required()
      ->check(check_shape);
  command
      ->add_option("type", flags->type,
                   "file type such as Q4_K_M: tensors get the types of that mixture")
      ->required()
      ->check(check_type);
  command->add_option("out", flags->path, "file to write")->required();
  command->add_option("--seed", flags->seed, "the same seed writes the same file")
      ->capture_default_str();
  command->add_flag("--json", flags->json, "report as JSON");
  command->callback([flags, &action] { action = [flags] { return synth(*flags); }; });
}

}  // namespace issun::apps
