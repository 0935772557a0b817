#include "quantize/quantise.h"

#include "apps/commands.h"
#include "apps/json.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/streams.h"

namespace issun::apps {

namespace {

using quantize::QuantiseReport;
using quantize::TensorReport;

struct QuantizeFlags {
  std::string model, out, type, imatrix, method = "search";
  std::vector<std::string> rules, calibration;
  int threads = 0;
  bool allow_requantize = false, json = false;
};

constexpr const char* kCopy = "COPY";

// REGEX=TYPE; a regular expression may hold a "=".
Result<quantize::TypeRule> parse_rule(const std::string& text) {
  const size_t split = text.rfind('=');
  const auto type =
      split == std::string::npos ? std::nullopt : dtype_from_name(text.substr(split + 1));
  if (!type || split == 0) return fail("--tensor {}: expected REGEX=TYPE, as ffn_down=Q6_K", text);
  if (!facts(*type).computable)
    return fail("--tensor {}: expected a type that weights have, found {}", text, name(*type));
  return quantize::TypeRule{text.substr(0, split), *type};
}

Json to_json(const TensorReport& tensor) {
  Json json = {{"name", tensor.name},     {"from", name(tensor.from)},
               {"type", name(tensor.to)}, {"values", tensor.values},
               {"bytes", tensor.bytes},   {"relative_rmse", tensor.relative_error}};
  if (tensor.weighted) json["weighted_relative_rmse"] = tensor.weighted_error;
  if (tensor.calibrated) {
    json["search_output_error"] = tensor.search_output_error;
    json["output_error"] = tensor.output_error;
    if (tensor.stretched_by) json["stretched_by"] = *tensor.stretched_by;
  }
  if (tensor.wanted) json["instead_of"] = name(*tensor.wanted);
  return json;
}

std::string line_of(const TensorReport& tensor) {
  std::string line =
      fmt::format("{:<40} {:>7} {:>12}", visible(tensor.name), name(tensor.to), tensor.bytes);
  if (tensor.from != tensor.to) line += fmt::format("  {:8.4f} %", 100 * tensor.relative_error);
  if (tensor.weighted) line += fmt::format("  weighted {:8.4f} %", 100 * tensor.weighted_error);
  if (tensor.calibrated)
    line += fmt::format("  outputs {:.4f} % (searched {:.4f} %)", 100 * tensor.output_error,
                        100 * tensor.search_output_error);
  if (tensor.wanted)
    line += fmt::format("  (its rows do not divide into blocks of {})", name(*tensor.wanted));
  return line + "\n";
}

void print(const QuantizeFlags& flags, const QuantiseReport& report, double seconds) {
  if (flags.json) {
    Json tensors = Json::array();
    for (const TensorReport& tensor : report.tensors) tensors.push_back(to_json(tensor));
    write_out(dump(Json{{"file", flags.out},
                        {"type", flags.type},
                        {"method", flags.method},
                        {"bytes_before", report.bytes_before},
                        {"bytes", report.bytes},
                        {"weights", report.values},
                        {"bits_per_weight", report.bits_per_weight()},
                        {"seconds", seconds},
                        {"tensors", std::move(tensors)}}) +
              "\n");
    return;
  }
  for (const TensorReport& tensor : report.tensors) write_out(line_of(tensor));
  write_out(fmt::format("{}: {:.1f} MB to {:.1f} MB, {:.3f} bits a weight, {:.1f} s\n",
                        visible(flags.out), static_cast<double>(report.bytes_before) * 1e-6,
                        static_cast<double>(report.bytes) * 1e-6, report.bits_per_weight(),
                        seconds));
}

void tell_notes(const quantize::Plan& plan) {
  for (const std::string& note : plan.notes) say(note);
  if (plan.without_importance.empty()) return;
  say(fmt::format("{} matrices have no importance in the file and are rounded without, {} first",
                  plan.without_importance.size(), plan.without_importance[0]));
}

Result<quantize::Method> method_of(const QuantizeFlags& flags) {
  for (const quantize::MethodFacts& method : quantize::methods()) {
    if (flags.method != method.name) continue;
    if (method.needs_calibration && flags.calibration.empty())
      return fail("--method {}: expected --calibration TEXT, which it works by", method.name);
    if (!method.takes_importance && !flags.imatrix.empty())
      return fail("--imatrix: expected a method that weighs columns, found {}", method.name);
    if (!method.takes_importance && !flags.calibration.empty())
      return fail("--calibration: expected a method that reads a text, found {}", method.name);
    return method.method;
  }
  return fail("--method: expected rtn, search, hqq, gptq or awq, found {}", flags.method);
}

// The file, and where a text is put through it, the model.
struct Source {
  std::unique_ptr<model::Model> model;
  std::optional<gguf::GgufFile> file;
  const gguf::GgufFile& gguf() const { return model ? model->file : *file; }
};

Result<Source> open_source(const QuantizeFlags& flags) {
  Source source;
  if (flags.calibration.empty()) {
    source.file = TRY(gguf::GgufFile::open(flags.model));
  } else {
    source.model = TRY(model::Model::open(flags.model));
  }
  return source;
}

// What a method that reads a text knows before, or while, tensors are written.
struct Calibrated {
  std::unique_ptr<quantize::Calibration> calibration;
  std::optional<quantize::Stretches> stretches;
};

Result<Calibrated> calibrate(const QuantizeFlags& flags, quantize::Method method,
                             const model::Model& model, const quantize::Plan& plan,
                             Workers& workers) {
  constexpr int64_t kWindow = 512;
  quantize::CalibrationOptions options;
  options.window = static_cast<int>(std::min(kWindow, model.config.context_length));
  options.feedback = method == quantize::Method::Gptq;
  std::vector<std::string> texts;
  for (const std::string& path : flags.calibration) texts.push_back(TRY(read_text(path)));
  options.tokens = TRY(quantize::calibration_windows(model.tokenizer, texts, options.window));
  options.progress = [](int layer, int layers) {
    show_progress(fmt::format("layer {} of {}", layer + 1, layers));
  };
  Calibrated found;
  if (method == quantize::Method::Awq) {
    found.stretches = TRY(quantize::find_stretches(model, plan, options, workers));
    for (const std::string& note : found.stretches->notes) say(note);
  } else {
    found.calibration =
        TRY(quantize::Calibration::create(model, plan, std::move(options), workers));
  }
  return found;
}

Result<int> run_quantize(const QuantizeFlags& flags) {
  const double start = seconds_now();
  TRY(expect_another_file(flags.out, flags.model));
  quantize::PlanOptions plan_options;
  plan_options.method = TRY(method_of(flags));
  plan_options.calibrated = !flags.calibration.empty();
  plan_options.file_type = quantize::file_type_from_name(flags.type);  // nullptr: copy
  plan_options.allow_requantize = flags.allow_requantize;
  for (const std::string& rule : flags.rules) plan_options.rules.push_back(TRY(parse_rule(rule)));
  std::optional<quantize::Importance> importance;
  if (!flags.imatrix.empty()) {
    TRY(expect_another_file(flags.out, flags.imatrix));
    importance = TRY(quantize::Importance::open(flags.imatrix));
    plan_options.importance = &*importance;
  }
  const Source opened = TRY(open_source(flags));
  const gguf::GgufFile& source = opened.gguf();
  for (const MappedFile& part : source.parts()) TRY(expect_another_file(flags.out, part.path()));
  const quantize::Plan plan = TRY(quantize::make_plan(source, plan_options));
  tell_notes(plan);
  const auto workers =
      TRY(Workers::create(flags.threads > 0 ? flags.threads : default_thread_count()));
  Calibrated calibrated;
  if (opened.model)
    calibrated = TRY(calibrate(flags, plan_options.method, *opened.model, plan, *workers));
  quantize::QuantiseOptions options;
  options.method = plan_options.method;
  options.calibration = calibrated.calibration.get();
  if (calibrated.stretches) options.stretches = &*calibrated.stretches;
  options.importance_path = flags.imatrix;
  options.progress = percent_written(flags.out);
  const QuantiseReport report =
      TRY(quantize::quantise(source, plan, plan_options, options, flags.out, *workers));
  hide_progress();
  if (calibrated.calibration) {
    for (const std::string& note : calibrated.calibration->notes()) say(note);
  }
  print(flags, report, seconds_now() - start);
  return kDone;
}

std::string check_type(const std::string& text) {
  if (text == kCopy || text == "copy" || quantize::file_type_from_name(text) != nullptr) return "";
  std::string names;
  for (const quantize::FileType& type : quantize::file_types())
    names += std::string(type.name) + ", ";
  return fmt::format("expected one of {}{}, found '{}'", names, kCopy, text);
}

}  // namespace

void add_quantize(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "quantize", "write a model with smaller weights, and what each tensor lost");
  auto flags = std::make_shared<QuantizeFlags>();
  command->add_option("model", flags->model, "GGUF file in F32, F16 or BF16")
      ->required()
      ->check(expect_text);
  command->add_option("out", flags->out, "file to write")->required()->check(expect_text);
  command
      ->add_option("--type", flags->type,
                   "file type such as Q4_K_M: tensors get the types of that mixture; COPY: those "
                   "they have")
      ->required()
      ->check(check_type);
  command
      ->add_option("--imatrix", flags->imatrix,
                   "importance of columns: an imatrix file, GGUF or .dat")
      ->check(expect_text);
  command
      ->add_option("--method", flags->method,
                   "how codes are found: rtn (plain rounding), search (the least squared error), "
                   "hqq (zero points that mind outliers less), gptq (errors made up for by later "
                   "columns), awq (columns stretched first)")
      ->check(CLI::IsMember({"rtn", "search", "hqq", "gptq", "awq"}))
      ->capture_default_str();
  command
      ->add_option("--calibration", flags->calibration,
                   "text that gptq and awq measure the layers with, and search their importance; "
                   "repeatable")
      ->check(expect_text);
  command
      ->add_option("--tensor", flags->rules,
                   "REGEX=TYPE: another type for tensors whose names it is found in; repeatable, "
                   "the first that holds decides")
      ->check(expect_text);
  command->add_flag("--allow-requantize", flags->allow_requantize,
                    "take a source that is quantised already");
  command->add_option("-t,--threads", flags->threads, "threads; 0 or -1: one for each core")
      ->check(CLI::Range(-1, 1024));
  command->add_flag("--json", flags->json, "report as JSON");
  command->callback([flags, &action] { action = [flags] { return run_quantize(*flags); }; });
}

}  // namespace issun::apps
