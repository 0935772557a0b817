#include "quantize/quantise.h"

#include <set>

#include "apps/commands.h"
#include "apps/json.h"
#include "apps/quantize_auto.h"
#include "apps/quantize_lab.h"
#include "apps/quantize_method.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/streams.h"
#include "quantize/hot_experts.h"
#include "quantize/recipe.h"

namespace issun::apps {

namespace {

using quantize::QuantiseReport;
using quantize::TensorReport;

struct QuantizeFlags {
  std::string model, out, type, imatrix, recipe, save_recipe;
  std::vector<std::string> rules, hot_experts;
  AutoFlags search;
  MethodFlags method;
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
  if (tensor.calibrated) add_output_errors(tensor, &json);
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

using Mixture = std::optional<measure::MixtureReport>;

void print(const QuantizeFlags& flags, const QuantiseReport& report, const std::string& type,
           const Mixture& mixture, double seconds) {
  if (flags.json) {
    Json tensors = Json::array();
    for (const TensorReport& tensor : report.tensors) tensors.push_back(to_json(tensor));
    Json json = {{"file", flags.out},
                 {"type", type},
                 {"method", flags.method.name()},
                 {"bytes_before", report.bytes_before},
                 {"bytes", report.bytes},
                 {"weights", report.values},
                 {"bits_per_weight", report.bits_per_weight()},
                 {"seconds", seconds},
                 {"tensors", std::move(tensors)}};
    if (mixture) json["search"] = mixture_json(*mixture);
    write_out(dump(json) + "\n");
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

Result<void> check_files(const QuantizeFlags& flags, const gguf::GgufFile& source) {
  for (const std::string& input :
       {flags.imatrix, flags.recipe, flags.search.calibration, flags.search.probes}) {
    if (input.empty()) continue;
    TRY(expect_another_file(flags.out, input));
    if (!flags.save_recipe.empty() && input != flags.recipe)
      TRY(expect_another_file(flags.save_recipe, input));
  }
  if (!flags.save_recipe.empty() && flags.save_recipe == flags.out)
    return fail("--save-recipe: expected another file than the one that is written");
  for (const MappedFile& part : source.parts()) {
    for (const std::string& output : {flags.out, flags.save_recipe, flags.search.probes})
      TRY(expect_another_file(output, part.path()));
  }
  return {};
}

// Those of hot experts go before all others; what two of them say of one matrix, the first decides.
Result<std::vector<quantize::TypeRule>> hot_rules(const QuantizeFlags& flags,
                                                  const gguf::GgufFile& source) {
  std::vector<quantize::TypeRule> rules;
  std::set<std::string> named;
  for (const std::string& text : flags.hot_experts) {
    const quantize::HotExperts hot = TRY(quantize::parse_hot_experts(text));
    for (const std::string& output : {flags.out, flags.save_recipe, flags.search.probes})
      TRY(expect_another_file(output, hot.trace));
    const experts::Trace trace = TRY(experts::Trace::read(hot.trace));
    for (quantize::TypeRule& rule : TRY(quantize::hot_expert_rules(source, trace, hot))) {
      if (named.insert(rule.pattern).second) rules.push_back(std::move(rule));
    }
  }
  return rules;
}

// The types that the recipe, the rules and the file type or the search say.
Result<Mixture> choose_types(const QuantizeFlags& flags, const gguf::GgufFile& source, int threads,
                             quantize::PlanOptions* options) {
  options->file_type = quantize::file_type_from_name(flags.type);  // nullptr: copy
  options->allow_requantize = flags.allow_requantize;
  options->rules = TRY(hot_rules(flags, source));
  for (const std::string& rule : flags.rules) options->rules.push_back(TRY(parse_rule(rule)));
  if (!flags.recipe.empty()) {
    const std::string text = TRY(read_text(flags.recipe));
    for (quantize::TypeRule& rule : TRY(quantize::parse_recipe(text, flags.recipe)))
      options->rules.push_back(std::move(rule));
  }
  Mixture mixture;
  if (flags.search.wanted()) {
    const double start = seconds_now();
    mixture = TRY(flags.search.search(flags.model, source, *options, threads));
    for (quantize::TypeRule& rule : mixture->rules()) options->rules.push_back(std::move(rule));
    if (!flags.json) print_mixture(*mixture, seconds_now() - start);
  }
  return mixture;
}

Result<void> save_recipe(const QuantizeFlags& flags, const quantize::Plan& plan,
                         const Mixture& mixture) {
  std::vector<quantize::TypeRule> rules;
  for (const quantize::PlannedType& planned : plan.tensors) {
    if (quantize::is_quantised({std::string(planned.tensor.name), planned.tensor.size}))
      rules.push_back({std::string(planned.tensor.name), planned.type});
  }
  std::vector<std::string> comments;
  if (mixture) comments = recipe_comments(*mixture);
  return write_atomically(flags.save_recipe, quantize::write_recipe(rules, comments));
}

Result<int> run_quantize(const QuantizeFlags& flags) {
  const double start = seconds_now();
  const int threads = flags.threads > 0 ? flags.threads : default_thread_count();
  quantize::PlanOptions plan_options;
  plan_options.method = TRY(flags.method.resolve(flags.search, flags.imatrix));
  plan_options.calibrated = flags.method.reads(flags.search);
  std::optional<quantize::Importance> importance;
  if (!flags.imatrix.empty()) {
    importance = TRY(quantize::Importance::open(flags.imatrix));
    plan_options.importance = &*importance;
  }
  const gguf::GgufFile source = TRY(gguf::GgufFile::open(flags.model));
  TRY(check_files(flags, source));
  const Mixture mixture = TRY(choose_types(flags, source, threads, &plan_options));
  const quantize::Plan plan = TRY(quantize::make_plan(source, plan_options));
  if (flags.type.empty()) plan_options.file_type = quantize::main_file_type(plan);
  tell_notes(plan);
  if (!flags.save_recipe.empty()) TRY(save_recipe(flags, plan, mixture));
  const auto workers = TRY(Workers::create(threads));
  MethodRun method;
  if (plan_options.calibrated)
    method = TRY(flags.method.prepare(flags.model, flags.search, plan, *workers));
  quantize::QuantiseOptions options;
  options.method = plan_options.method;
  options.calibration = method.calibration.get();
  if (method.stretches) options.stretches = &*method.stretches;
  options.importance_path = flags.imatrix;
  options.progress = percent_written(flags.out);
  const QuantiseReport report =
      TRY(quantize::quantise(source, plan, plan_options, options, flags.out, *workers));
  hide_progress();
  method.tell_notes();
  TRY(flags.search.check_size(flags.out));
  const std::string type = !flags.type.empty() ? flags.type : mixture ? "AUTO" : "RECIPE";
  print(flags, report, type, mixture, seconds_now() - start);
  return kDone;
}

// One of --type, --budget and --target-kld, or a recipe that is all there is.
void check_together(const QuantizeFlags& flags) {
  const int goals = (flags.type.empty() ? 0 : 1) + (flags.search.budget.empty() ? 0 : 1) +
                    (flags.search.divergence > 0 ? 1 : 0);
  if (goals > 1 || (goals == 0 && flags.recipe.empty()))
    throw CLI::ValidationError("expected one of --type, --budget and --target-kld, or --recipe");
  const std::string misplaced = flags.search.misplaced(flags.method.given());
  if (!flags.search.wanted() && !misplaced.empty())
    throw CLI::ValidationError(misplaced + ": expected --budget or --target-kld beside it");
  if (flags.search.wanted() && flags.method.given() && flags.method.method != "search" &&
      (flags.search.divergence > 0 || flags.method.method == "rtn" ||
       flags.method.method == "hqq")) {
    throw CLI::ValidationError(fmt::format(
        "--method {}: expected --type or a recipe beside it, since a search measures what the "
        "method search writes (gptq and awq may stand beside --budget)",
        flags.method.method));
  }
  if (flags.search.calibration.empty() && flags.search.wanted() &&
      (flags.search.divergence > 0 || flags.search.refine > 0 || !flags.search.probes.empty())) {
    throw CLI::ValidationError(
        "--target-kld, --refine and --probes: expected --calibration, a text to measure on");
  }
}

std::string check_type_or_copy(const std::string& text) {
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
      ->check(check_type_or_copy);
  command
      ->add_option("--imatrix", flags->imatrix,
                   "importance of columns: an imatrix file, GGUF or .dat")
      ->check(expect_text);
  command
      ->add_option("--tensor", flags->rules,
                   "REGEX=TYPE: another type for tensors whose names it is found in; repeatable, "
                   "the first that holds decides")
      ->check(expect_text);
  command
      ->add_option("--hot-experts", flags->hot_experts,
                   "TRACE:SHARE:TYPE: a type for that share of each layer's experts that a routing "
                   "trace shows to be used most; for a packed file (issun pack); repeatable, and "
                   "before every --tensor")
      ->check(expect_text);
  command->add_flag("--allow-requantize", flags->allow_requantize,
                    "take a source that is quantised already");
  command->add_option("-t,--threads", flags->threads, "threads; 0 or -1: one for each core")
      ->check(CLI::Range(-1, 1024));
  command->add_flag("--json", flags->json, "report as JSON");
  command
      ->add_option("--recipe", flags->recipe,
                   "file of lines PATTERN TYPE, each as a --tensor; tensors that no line holds for "
                   "keep their types without --type")
      ->check(expect_text);
  command->add_option("--save-recipe", flags->save_recipe, "write the types of all matrices there")
      ->check(expect_text);
  flags->search.add(*command);
  flags->method.add(*command);
  command->callback([flags, &action] {
    check_together(*flags);
    action = [flags] { return run_quantize(*flags); };
  });
  add_quantize_lab(*command, action);
}

}  // namespace issun::apps
