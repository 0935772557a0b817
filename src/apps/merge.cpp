#include "train/merge.h"

#include "apps/commands.h"
#include "apps/json.h"
#include "base/quote.h"
#include "base/streams.h"
#include "model/adapter.h"

namespace issun::apps {

namespace {

struct MergeFlags {
  std::string model, adapter, out, type = "keep";
  double scale = 1;
  bool json = false;
};

Result<int> run_merge(const MergeFlags& flags) {
  for (const std::string& input : {flags.model, flags.adapter}) {
    TRY(expect_another_file(flags.out, input));
  }
  const auto model = TRY(model::Model::open(flags.model));
  TRY(model::add_adapter(*model, TRY(gguf::GgufFile::open(flags.adapter)), flags.adapter,
                         static_cast<float>(flags.scale)));
  train::MergeOptions options;
  if (flags.type != "keep") options.type = dtype_from_name(flags.type);
  options.progress = percent_written(flags.out);
  const train::MergeReport report = TRY(train::merge_adapters(*model, flags.out, options));
  hide_progress();
  if (flags.json) {
    write_out(dump(Json{{"file", flags.out},
                        {"merged", report.merged},
                        {"relative_error", report.relative_error}}) +
              "\n");
    return kDone;
  }
  write_out(fmt::format("{}: {} matrices merged, rounded by {:.3g} % of their size\n",
                        visible(flags.out), report.merged, 100 * report.relative_error));
  return kDone;
}

}  // namespace

void add_merge(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("merge", "write a model with an adapter added to its weights");
  auto flags = std::make_shared<MergeFlags>();
  command->add_option("model", flags->model, "GGUF file")->required()->check(expect_text);
  command->add_option("adapter", flags->adapter, "GGUF adapter, as tune or import write it")
      ->required()
      ->check(expect_text);
  command->add_option("--out", flags->out, "file to write")->required()->check(expect_text);
  command->add_option("--scale", flags->scale, "of the adapter")
      ->check(CLI::Range(-100.0, 100.0))
      ->capture_default_str();
  command
      ->add_option("--type", flags->type,
                   "of the merged matrices: keep (as they are), f32, f16, bf16 or q8_0")
      ->check(CLI::IsMember({"keep", "f32", "f16", "bf16", "q8_0"}))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "report as JSON");
  command->callback([flags, &action] { action = [flags] { return run_merge(*flags); }; });
}

}  // namespace issun::apps
