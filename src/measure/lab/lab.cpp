#include "measure/lab/lab.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/quote.h"
#include "measure/lab/sections.h"

namespace issun::measure::lab {

namespace {

std::vector<std::pair<std::string, std::string>> terms() {
  return {
      {"quantise",
       "to write a number as one of few levels: a small whole code, and a scale that many codes "
       "share. What is read back is level x scale."},
      {"error %",
       "the root mean square of what values are off by, in % of the root mean square of the "
       "values themselves."},
      {"SQNR",
       "the same in decibels, 20 log10(100 / error %): 6 dB are half the error, 20 dB a tenth."},
      {"bits a weight",
       "all that is stored for a weight: its code and its part of scales, offsets and tables."},
      {"weighted error",
       "each squared error counted by the importance of its column (--imatrix): how strong the "
       "inputs are that the weight is multiplied with."}};
}

struct Experiment {
  const char* what;
  Section (*section)(const Subject& subject);
};
constexpr Experiment kExperiments[] = {{"the tensor itself", spread_section},
                                       {"spacing", spacing_section},
                                       {"granularity and formats", granularity_section},
                                       {"ranges", range_section},
                                       {"activations", input_section},
                                       {"whole numbers", integer_section},
                                       {"pruning and rounding", surgeon_section}};

bool is_rounded(DType type) { return facts(type).block > 1; }

class Laboratory {
 public:
  explicit Laboratory(const LabOptions& options) : options_(options) {}

  Result<Report> run() {
    const gguf::GgufFile file = TRY(gguf::GgufFile::open(options_.model));
    const std::vector<Tensor> all = matrices_of(file);
    if (all.empty())
      return fail("{}: expected a matrix that can be quantised, found none", options_.model);
    std::vector<Tensor> chosen = {typical_matrix(all)};
    if (!options_.tensor.empty()) chosen = TRY(matrices_named(file, options_.tensor));
    if (chosen.size() > kMostMatrices) {
      return fail("--tensor {}: expected at most {} matrices to look at, found {}",
                  printable(options_.tensor), kMostMatrices, chosen.size());
    }
    if (!options_.imatrix.empty()) importance_ = TRY(quantize::Importance::open(options_.imatrix));
    if (!options_.text.empty()) TRY(read_text_of(chosen));
    workers_ =
        TRY(Workers::create(options_.threads > 0 ? options_.threads : default_thread_count()));
    searches_ = TRY(kernels::choose_searches());
    describe(all, chosen);
    for (const Tensor& tensor : chosen) TRY(look_at(tensor));
    tell("all matrices: mixed precision");
    report_.sections.push_back(TRY(mixed_section({.name = printable(options_.model),
                                                  .matrices = all,
                                                  .importance = importance(),
                                                  .inputs = inputs_ ? &*inputs_ : nullptr,
                                                  .rows = options_.rows,
                                                  .workers = *workers_})));
    TRY(file.still_whole());
    return std::move(report_);
  }

 private:
  const quantize::Importance* importance() const { return importance_ ? &*importance_ : nullptr; }
  void tell(const std::string& doing) const {
    if (options_.progress) options_.progress(doing);
  }

  Result<void> read_text_of(const std::vector<Tensor>& chosen) {
    InputOptions how{.model = options_.model,
                     .text = options_.text,
                     .tokens = options_.tokens,
                     .threads = options_.threads,
                     .wanted = {}};
    for (const Tensor& tensor : chosen) how.wanted.emplace_back(tensor.name);
    how.progress = [this](int64_t done, int64_t count) {
      tell(fmt::format("reading the text: {} of {} tokens", done, count));
    };
    inputs_ = TRY(read_inputs(how));
    return {};
  }

  void describe(const std::vector<Tensor>& all, const std::vector<Tensor>& chosen) {
    report_.title = "What quantising costs: " + printable(options_.model);
    report_.terms = terms();
    std::string names;
    for (const Tensor& tensor : chosen)
      names += (names.empty() ? "" : ", ") +
               fmt::format("{} ({} rows of {}, {})", printable(tensor.name), tensor.rows(),
                           tensor.columns(), issun::name(tensor.type));
    report_.words.push_back(fmt::format(
        "{} of {} matrices {} looked at one by one{}: {}.", chosen.size(), all.size(),
        chosen.size() == 1 ? "is" : "are",
        options_.tensor.empty() ? " (a typical one; --tensor names others)" : "", names));
    report_.words.push_back(
        options_.rows > 0
            ? fmt::format("Of each matrix at most {} rows are looked at, evenly spread (--rows).",
                          options_.rows)
            : "All rows of each matrix are looked at.");
    if (std::any_of(all.begin(), all.end(), [](const Tensor& t) { return is_rounded(t.type); })) {
      report_.words.emplace_back(
          "This file has been quantised already: what is measured here is what comes on top, from "
          "the values as they are read back. They lie on the levels of their format, so that this "
          "very format may lose nothing and others lose more than they would from the source. For "
          "what quantising costs, take the F16, BF16 or F32 file.");
    }
    report_.words.push_back(
        importance_
            ? fmt::format("Importance of columns: {}.", printable(options_.imatrix))
            : "No importance of columns was given (--imatrix): there are no weighted errors.");
    report_.words.push_back(
        inputs_ ? fmt::format("Activations: {} tokens of {}.", inputs_->tokens,
                              printable(options_.text))
                : "No text was given (--text): the part about activations is left out, and where "
                  "inputs are needed they are made up and named so.");
  }

  Result<void> look_at(const Tensor& tensor) {
    const MatrixRows matrix = TRY(read_rows(tensor, importance(), options_.rows));
    const InputRows* inputs = nullptr;
    const InputRows none;
    if (inputs_) {
      const auto found = inputs_->rows.find(tensor.name);
      inputs = found != inputs_->rows.end() ? &found->second : &none;
    }
    const Subject subject{.matrix = matrix,
                          .inputs = inputs,
                          .seed = options_.seed,
                          .workers = *workers_,
                          .searches = *searches_};
    for (const Experiment& experiment : kExperiments) {
      tell(fmt::format("{}: {}", printable(tensor.name), experiment.what));
      report_.sections.push_back(experiment.section(subject));
    }
    return {};
  }

  const LabOptions& options_;
  std::optional<quantize::Importance> importance_;
  std::optional<Inputs> inputs_;
  std::unique_ptr<Workers> workers_;
  const kernels::SearchTable* searches_ = nullptr;
  Report report_;
};

}  // namespace

Result<Report> run_lab(const LabOptions& options) { return Laboratory(options).run(); }

}  // namespace issun::measure::lab
