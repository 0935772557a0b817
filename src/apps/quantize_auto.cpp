#include "apps/quantize_auto.h"

#include <charconv>

#include "base/clock.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/sizes.h"
#include "base/streams.h"
#include "base/terminal.h"

namespace issun::apps {

namespace {

constexpr int64_t kMoreKeys = 1024;  // bytes of a file's head that the source does not have

struct SizeBudget {
  std::optional<int64_t> bytes;
  std::optional<double> bits;
};

// 900MB, 123456, 4.5bpw.
Result<SizeBudget> parse_budget(const std::string& text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, number);
  SizeBudget budget;
  if (error == std::errc() && number > 0 && std::string_view(next, end) == "bpw") {
    budget.bits = number;
  }
  budget.bytes = parse_size(text);
  if (budget.bits || budget.bytes) return budget;
  return fail("--budget: expected a size as 900MB, 1.5GiB or 4.5bpw (bits a weight), found '{}'",
              text);
}

Result<std::vector<DType>> parse_types(const std::string& text) {
  if (text.empty()) return measure::usual_types();
  std::vector<DType> types;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, end - at);
    const auto type = dtype_from_name(word);
    if (!type || !facts(*type).computable)
      return fail("--types: expected names as Q4_K,Q6_K,IQ3_S, found '{}'", word);
    types.push_back(*type);
    at = end + 1;
  }
  return types;
}

}  // namespace

void AutoFlags::add(CLI::App& command) {
  command
      .add_option("--budget", budget,
                  "instead of --type: the best types for tensors within this size, as 900MB or "
                  "4.5bpw")
      ->check(expect_text);
  command
      .add_option("--target-kld", divergence,
                  "instead of --type: the smallest file whose KL divergence from the source, on "
                  "--calibration, is at most this many nats")
      ->check(CLI::Range(1e-9, 1e3));
  command
      .add_option("--calibration", calibration,
                  "text to measure on what each tensor's type costs; without it that is estimated")
      ->check(expect_text);
  command
      .add_option("--calibration-tokens", tokens, "tokens of it to read, in windows evenly spread")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30))
      ->capture_default_str();
  command.add_option("--types", types, "types to choose from, separated by commas")
      ->check(expect_text);
  command
      .add_option("--probes", probes,
                  "file that keeps the measurements: another search goes on with them")
      ->check(expect_text);
  command
      .add_option("--refine", refine,
                  "measurements more, at most, to better the choice where it stands")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
}

std::string AutoFlags::misplaced(bool beside_method) const {
  if (!calibration.empty() && !beside_method) return "--calibration";
  if (!types.empty()) return "--types";
  if (!probes.empty()) return "--probes";
  return refine > 0 ? "--refine" : "";
}

Result<measure::MixtureReport> AutoFlags::search(const std::string& model,
                                                 const gguf::GgufFile& source,
                                                 const quantize::PlanOptions& plan,
                                                 int threads) const {
  measure::MixtureOptions options;
  options.types = TRY(parse_types(types));
  options.threads = threads;
  options.refine = refine;
  options.probes = probes;
  if (divergence > 0) options.divergence = divergence;
  if (!budget.empty()) {
    const SizeBudget wanted = TRY(parse_budget(budget));
    options.bits_per_weight = wanted.bits;
    const int64_t head = source.file_bytes() - source.data_bytes() + kMoreKeys;
    if (wanted.bytes) options.bytes = *wanted.bytes - head;
  }
  if (!calibration.empty())
    options.calibration = measure::TrialText{TRY(read_text(calibration)), tokens};
  options.progress = show_progress;
  const Interrupts interrupts;
  measure::MixtureReport report = TRY(measure::search_mixture(model, source, plan, options));
  hide_progress();
  return report;
}

Result<void> AutoFlags::check_size(const std::string& out) const {
  if (budget.empty()) return {};
  const SizeBudget wanted = TRY(parse_budget(budget));
  if (!wanted.bytes || !is_file(out)) return {};
  const int64_t bytes = TRY(TRY(File::open_for_reading(out)).size());
  if (bytes <= *wanted.bytes) return {};
  return fail("{}: expected at most {} bytes, found {}", out, *wanted.bytes, bytes);
}

Json mixture_json(const measure::MixtureReport& report) {
  Json tensors = Json::array();
  for (const measure::TensorChoice& tensor : report.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"type", name(tensor.type)},
                       {"bits_per_weight",
                        8 * static_cast<double>(tensor.bytes) / static_cast<double>(tensor.values)},
                       {"bytes", tensor.bytes},
                       {"predicted_damage", tensor.damage}});
  }
  Json json = {{"damage", report.measured ? "kld_nats" : "estimated_relative_error"},
               {"predicted_damage", report.predicted},
               {"bound", report.bound},
               {"measurements", report.measurements},
               {"tensor_bytes", report.bytes},
               {"bits_per_weight", report.bits_per_weight()}};
  if (report.divergence) {
    json["measured_kld"] = report.divergence->value;
    json["measured_kld_standard_error"] = report.divergence->error;
  }
  json["tensors"] = std::move(tensors);
  return json;
}

void print_mixture(const measure::MixtureReport& report, double seconds) {
  for (const measure::TensorChoice& tensor : report.tensors) {
    write_out(fmt::format(
        "{:<40} {:>7} {:>7.3f} bits  {}{:.3g}\n", visible(tensor.name), name(tensor.type),
        8 * static_cast<double>(tensor.bytes) / static_cast<double>(tensor.values),
        report.measured ? "KLD " : "estimate ", tensor.damage));
  }
  if (!report.measured) {
    write_out(
        "damage was estimated, by each matrix's own error and all alike, not measured: "
        "--calibration TEXT measures it\n");
  } else if (report.divergence) {
    write_out(fmt::format(
        "KL divergence on the calibration text: predicted {:.5f}, measured {:.5f} +- {:.5f} nats\n",
        report.predicted, report.divergence->value, report.divergence->error));
  }
  write_out(fmt::format("{:.3f} bits a weight; {} measurements, {:.1f} s\n",
                        report.bits_per_weight(), report.measurements, seconds));
}

std::vector<std::string> recipe_comments(const measure::MixtureReport& report) {
  std::vector<std::string> comments = {
      fmt::format("{:.3f} bits a weight", report.bits_per_weight())};
  if (report.divergence) {
    comments.push_back(fmt::format("KL divergence on the calibration text {:.5f} +- {:.5f} nats",
                                   report.divergence->value, report.divergence->error));
  }
  return comments;
}

}  // namespace issun::apps
