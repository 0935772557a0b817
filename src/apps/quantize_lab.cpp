#include "apps/quantize_lab.h"

#include "apps/json.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/streams.h"
#include "measure/lab/lab.h"

namespace issun::apps {

namespace {

struct LabFlags {
  measure::lab::LabOptions options;
  std::string out, csv;
  bool json = false;
};

Result<int> run_laboratory(const LabFlags& flags) {
  for (const std::string& written : {flags.out, flags.csv}) {
    if (written.empty()) continue;
    for (const std::string& read : {flags.options.model, flags.options.imatrix, flags.options.text})
      if (!read.empty()) TRY(expect_another_file(written, read));
  }
  if (!flags.out.empty() && !flags.csv.empty()) TRY(expect_another_file(flags.csv, flags.out));
  measure::lab::LabOptions options = flags.options;
  options.progress = [](const std::string& doing) { show_progress(doing); };
  const measure::lab::Report report = TRY(measure::lab::run_lab(options));
  hide_progress();
  if (!flags.out.empty()) TRY(write_atomically(flags.out, measure::lab::to_html(report)));
  if (!flags.csv.empty()) TRY(write_atomically(flags.csv, measure::lab::to_csv(report)));
  write_out(flags.json ? dump(measure::lab::to_json(report)) + "\n"
                       : visible_lines(measure::lab::to_text(report)));
  return kDone;
}

// The parser never takes a word for a command where a required argument is missing, so that what
// `quantize` requires is asked for here, where the laboratory was not called.
void take_precedence(CLI::App& quantize, CLI::App& lab) {
  std::vector<CLI::Option*> required;
  for (CLI::Option* option : quantize.get_options()) {
    if (!option->get_required()) continue;
    option->required(false)->description(option->get_description() + " (required)");
    required.push_back(option);
  }
  lab.preparse_callback([&quantize](size_t) {
    for (const CLI::Option* option : quantize.get_options()) {
      if (option->count() > 0) throw CLI::ExcludesError(option->get_name(), "quantize lab");
    }
    quantize.callback([] {});
  });
  quantize.parse_complete_callback([required, &lab] {
    if (lab.parsed()) return;
    for (const CLI::Option* option : required) {
      if (option->count() == 0) throw CLI::RequiredError(option->get_name());
    }
  });
}

}  // namespace

void add_quantize_lab(CLI::App& quantize, Action& action) {
  auto* command = quantize.add_subcommand(
      "lab",
      "what each choice of quantising costs on a tensor and a model, as tables and pictures");
  auto flags = std::make_shared<LabFlags>();
  command->add_option("model", flags->options.model, "GGUF file")->required()->check(expect_text);
  command
      ->add_option("--tensor", flags->options.tensor,
                   "name of a matrix, or a regular expression found in the names of a few; else a "
                   "typical one")
      ->check(expect_text);
  command->add_option("--out", flags->out, "the report as a page (HTML) to write")
      ->check(expect_text);
  command->add_option("--csv", flags->csv, "all numbers as a file to write")->check(expect_text);
  command->add_option("--imatrix", flags->options.imatrix, "importance of columns")
      ->check(expect_text);
  command->add_option("--text", flags->options.text, "text to read for activations")
      ->check(expect_text);
  command->add_option("--tokens", flags->options.tokens, "tokens of the text that are read at most")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 14))
      ->capture_default_str();
  command
      ->add_option("--rows", flags->options.rows,
                   "rows of a matrix that are looked at, evenly spread; 0: all")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40))
      ->capture_default_str();
  command->add_option("--seed", flags->options.seed, "of what is drawn")->capture_default_str();
  command->add_option("-t,--threads", flags->options.threads, "threads; 0 or -1: one for each core")
      ->check(CLI::Range(-1, 1024));
  command->add_flag("--json", flags->json, "report as JSON");
  command->callback([flags, &action] { action = [flags] { return run_laboratory(*flags); }; });
  take_precedence(quantize, *command);
}

}  // namespace issun::apps
