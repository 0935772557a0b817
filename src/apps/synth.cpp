#include "measure/synth.h"

#include <optional>

#include "apps/commands.h"
#include "apps/json.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/streams.h"
#include "measure/given_vocabulary.h"

namespace issun::apps {

namespace {

struct SynthFlags {
  std::string shape, type, path;
  std::string routing, routing_text, tokenizer;
  uint64_t seed = 1;
  bool json = false;
};

// What --routing and --routing-text say; nothing without them.
Result<std::optional<measure::SynthRouting>> read_routing(const SynthFlags& flags) {
  if (flags.routing.empty()) return std::nullopt;
  if (measure::shape_from_name(flags.shape)->extras.experts == 0) {
    return fail("--routing: expected a shape with experts, found {}", flags.shape);
  }
  if (flags.routing_text.empty() && flags.tokenizer.empty()) {
    return fail(
        "--routing: expected --tokenizer with the vocabulary of the counts, or --routing-text for "
        "another vocabulary, found neither");
  }
  measure::SynthRouting routing{
      .counts = TRY(measure::parse_routing_counts(TRY(read_text(flags.routing)), flags.routing))};
  if (!flags.routing_text.empty()) {
    routing.text = TRY(read_text(flags.routing_text));
    if (routing.text->empty()) {
      return fail("{}: expected text, found none", flags.routing_text);
    }
  }
  return routing;
}

Result<std::optional<import::Vocabulary>> read_tokenizer(const SynthFlags& flags) {
  if (flags.tokenizer.empty()) return std::nullopt;
  return measure::fitted_vocabulary(TRY(measure::read_vocabulary(flags.tokenizer)),
                                    measure::shape_from_name(flags.shape)->vocabulary);
}

Result<int> synth(const SynthFlags& flags) {
  const double start = seconds_now();
  const auto routing = TRY(read_routing(flags));
  const auto vocabulary = TRY(read_tokenizer(flags));
  const measure::SynthReport report =
      TRY(measure::write_synthetic(*measure::shape_from_name(flags.shape),
                                   *quantize::file_type_from_name(flags.type), flags.path,
                                   {.seed = flags.seed,
                                    .vocabulary = vocabulary ? &*vocabulary : nullptr,
                                    .routing = routing ? &*routing : nullptr,
                                    .progress = percent_written(flags.path)}));
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
                        {"routed_tokens", report.routed_tokens},
                        {"seconds", seconds}}) +
              "\n");
    return kDone;
  }
  write_out(fmt::format("{}: {} tensors, {:.3f} billion parameters, {:.1f} MB of {} in {:.1f} s\n",
                        visible(flags.path), report.tensors,
                        static_cast<double>(report.parameters) * 1e-9,
                        static_cast<double>(report.weight_bytes) * 1e-6,
                        quantize::file_type_from_name(flags.type)->name, seconds));
  if (routing) write_out(fmt::format("routers fitted to {} tokens\n", report.routed_tokens));
  return kDone;
}

std::string check_shape(const std::string& text) {
  if (measure::shape_from_name(text) != nullptr) return "";
  return fmt::format("expected one of {}, found '{}'", measure::shape_names(), text);
}

std::string check_file_type(const std::string& text) {
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
      ->check(check_file_type);
  command->add_option("out", flags->path, "file to write")->required();
  command->add_option("--seed", flags->seed, "the same seed writes the same file")
      ->capture_default_str();
  command->add_option("--tokenizer", flags->tokenizer,
                      "SentencePiece model or tokenizer.json whose vocabulary the file gets, with "
                      "unused tokens up to the shape's number; without: a made-up one");
  auto* routing = command->add_option(
      "--routing", flags->routing,
      "JSON, [{expert: {token id: visits}}, ...] for some layers of a real model from first to "
      "last: "
      "routers are fitted to the token embeddings so that tokens visit experts alike, in each "
      "layer "
      "as in the sampled one at its depth, experts in another order; for more experts than counted "
      "the following sampled layers join in. What layers add to the embeddings is made small");
  command
      ->add_option("--routing-text", flags->routing_text,
                   "for counts of another vocabulary: the counts of the r-th most frequent token "
                   "become those of the r-th most frequent token of this text in the vocabulary of "
                   "the file; without: token ids are those of --tokenizer")
      ->needs(routing);
  command->add_flag("--json", flags->json, "report as JSON");
  command->callback([flags, &action] { action = [flags] { return synth(*flags); }; });
}

}  // namespace issun::apps
