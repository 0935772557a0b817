#include "gguf/pack.h"

#include "apps/commands.h"
#include "apps/json.h"
#include "base/quote.h"
#include "base/streams.h"

namespace issun::apps {

namespace {

struct PackFlags {
  std::string model, out;
  bool unpack = false, json = false;
};

Json layout_json(const gguf::ExpertLayout& layout) {
  return {{"reads_per_expert", layout.reads},
          {"expert_bytes", layout.expert_bytes},
          {"padding_bytes", layout.padding_bytes}};
}

Result<int> run_pack(const PackFlags& flags) {
  const gguf::GgufFile source = TRY(gguf::GgufFile::open(flags.model));
  for (const MappedFile& part : source.parts()) TRY(expect_another_file(flags.out, part.path()));
  gguf::PackOptions options;
  options.progress = percent_written(flags.out);
  const gguf::PackReport report =
      TRY(flags.unpack ? gguf::unpack_experts(source, flags.out, options)
                       : gguf::pack_experts(source, flags.out, options));
  hide_progress();
  if (flags.json) {
    write_out(dump(Json{{"file", flags.out},
                        {"layers", report.after.layers},
                        {"experts", report.after.experts},
                        {"tensors", report.tensors},
                        {"bytes", report.bytes},
                        {"before", layout_json(report.before)},
                        {"after", layout_json(report.after)}}) +
              "\n");
    return kDone;
  }
  write_out(fmt::format(
      "{}: {} experts in {} layers; reads per expert: {} before, {} after, of up to {} bytes; {} "
      "bytes of padding in {:.1f} MB ({} before)\n",
      visible(flags.out), report.after.experts, report.after.layers, report.before.reads,
      report.after.reads, report.after.expert_bytes, report.after.padding_bytes,
      static_cast<double>(report.bytes) * 1e-6, report.before.padding_bytes));
  return kDone;
}

}  // namespace

void add_pack(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "pack", "write a mixture with each expert in one piece of the file, or back in stacks");
  auto flags = std::make_shared<PackFlags>();
  command->add_option("model", flags->model, "GGUF file, or the first of a split one")
      ->required()
      ->check(expect_text);
  command->add_option("out", flags->out, "file to write")->required()->check(expect_text);
  command->add_flag("--unpack", flags->unpack, "back to one stack for each matrix of a layer");
  command->add_flag("--json", flags->json, "report as JSON");
  command->callback([flags, &action] { action = [flags] { return run_pack(*flags); }; });
}

}  // namespace issun::apps
