#include "apps/quantize_method.h"

#include "base/file.h"
#include "base/streams.h"

namespace issun::apps {

namespace {

const quantize::MethodFacts& facts_of(const std::string& name) {
  for (const quantize::MethodFacts& method : quantize::methods()) {
    if (name == method.name) return method;
  }
  return quantize::facts(quantize::Method::Search);
}

}  // namespace

void MethodRun::tell_notes() const {
  if (calibration) {
    for (const std::string& note : calibration->notes()) say(note);
  }
  if (stretches) {
    for (const std::string& note : stretches->notes) say(note);
  }
}

void MethodFlags::add(CLI::App& command) {
  command
      .add_option("--method", method,
                  "how codes are found: rtn (plain rounding), search (the least squared error, "
                  "unless said otherwise), hqq (zero points that mind outliers less), gptq (errors "
                  "made up for by later columns), awq (columns stretched first); gptq and awq, and "
                  "search by wish, read all of --calibration")
      ->check(CLI::IsMember({"rtn", "search", "hqq", "gptq", "awq"}));
}

Result<quantize::Method> MethodFlags::resolve(const AutoFlags& search,
                                              const std::string& imatrix) const {
  const quantize::MethodFacts& chosen = facts_of(method);
  if (chosen.needs_calibration && search.calibration.empty())
    return fail("--method {}: expected --calibration TEXT, which it works by", chosen.name);
  if (!chosen.takes_importance && !imatrix.empty())
    return fail("--imatrix: expected a method that weighs columns, found {}", chosen.name);
  if (!chosen.takes_importance && !search.calibration.empty() && !search.wanted())
    return fail("--calibration: expected a method that reads a text, found {}", chosen.name);
  return chosen.method;
}

bool MethodFlags::reads(const AutoFlags& search) const {
  return given() && !search.calibration.empty() && facts_of(method).takes_importance;
}

Result<MethodRun> MethodFlags::prepare(const std::string& model, const AutoFlags& search,
                                       const quantize::Plan& plan, Workers& workers) const {
  constexpr int64_t kWindow = 512;
  MethodRun run;
  run.model = TRY(model::Model::open(model));
  quantize::CalibrationOptions options;
  options.window = static_cast<int>(std::min(kWindow, run.model->config.context_length));
  options.feedback = facts_of(method).method == quantize::Method::Gptq;
  const std::string text = TRY(read_text(search.calibration));
  options.tokens =
      TRY(quantize::calibration_windows(run.model->tokenizer, {&text, 1}, options.window));
  options.progress = [](int layer, int layers) {
    show_progress(fmt::format("layer {} of {}", layer + 1, layers));
  };
  if (facts_of(method).method == quantize::Method::Awq) {
    run.stretches = TRY(quantize::find_stretches(*run.model, plan, options, workers));
  } else {
    run.calibration =
        TRY(quantize::Calibration::create(*run.model, plan, std::move(options), workers));
  }
  return run;
}

void add_output_errors(const quantize::TensorReport& tensor, Json* json) {
  (*json)["search_output_error"] = tensor.search_output_error;
  (*json)["output_error"] = tensor.output_error;
  if (tensor.stretched_by) (*json)["stretched_by"] = *tensor.stretched_by;
}

}  // namespace issun::apps
