#include <algorithm>

#include "apps/commands.h"
#include "apps/json.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/streams.h"
#include "base/terminal.h"
#include "import/open.h"
#include "measure/calibrate.h"
#include "quantize/importance_gatherer.h"
#include "quantize/importance_statistics.h"
#include "train/progress.h"

namespace issun::apps {

namespace {

using quantize::ImportanceForm;
using quantize::ImportanceStatistics;
using quantize::ImportanceSums;

struct ImatrixFlags {
  std::string model, text, out = "imatrix.gguf", format = "gguf", show;
  std::vector<std::string> from;
  int threads = 0, context = 512, batch = 512, every = 10;
  int64_t chunks = -1, first_chunk = 0;
  bool with_output = false, parse_special = false, json = false;

  ImportanceForm form() const {
    return format == "gguf" ? ImportanceForm::Gguf : ImportanceForm::Older;
  }
};

// --- the report of a file

Json to_json(const ImportanceStatistics& tensor) {
  Json json = {{"name", tensor.tensor},
               {"columns", tensor.columns},
               {"parts", tensor.parts},
               {"parts_unmet", tensor.unmet},
               {"rows", tensor.rows},
               {"sum", tensor.sum},
               {"min", tensor.least},
               {"max", tensor.most},
               {"mean", tensor.mean},
               {"deviation", tensor.deviation},
               {"largest_share", tensor.largest_share},
               {"active", tensor.active},
               {"entropy_bits", tensor.entropy},
               {"evenness", tensor.evenness},
               {"outliers", tensor.outliers}};
  json["similarity_to_layer_before"] =
      tensor.has_similarity ? Json(tensor.similarity) : Json(nullptr);
  return json;
}

std::string line_of(const ImportanceStatistics& tensor) {
  std::string line = fmt::format(
      "{:<36} {:>12.4f} {:>10.4g} {:>10.4g} {:>7.3f} {:>7.2f} {:>9.4f} {:>7.2f} {:>8.2f} {:>7}",
      visible(tensor.tensor), tensor.sum, tensor.mean, tensor.most, 100 * tensor.largest_share,
      100 * tensor.active, tensor.entropy, 100 * tensor.evenness, 100 * tensor.outliers,
      tensor.has_similarity ? fmt::format("{:.4f}", tensor.similarity) : "-");
  if (tensor.parts > 1)
    line += fmt::format("  {} of {} experts met", tensor.parts - tensor.unmet, tensor.parts);
  return line + "\n";
}

void print_statistics(const ImportanceSums& sums, const ImatrixFlags& flags) {
  const std::vector<ImportanceStatistics> all = quantize::statistics(sums);
  if (flags.json) {
    Json tensors = Json::array();
    for (const ImportanceStatistics& tensor : all) tensors.push_back(to_json(tensor));
    write_out(dump(Json{{"file", flags.show},
                        {"datasets", sums.datasets},
                        {"chunks", sums.chunks},
                        {"chunk_size", sums.chunk_size},
                        {"tensors", std::move(tensors)}}) +
              "\n");
    return;
  }
  std::string texts;
  for (const std::string& dataset : sums.datasets) texts += " " + visible(dataset);
  write_out(fmt::format("{}: {} matrices, {} windows of {} tokens:{}\n", visible(flags.show),
                        all.size(), sums.chunks, sums.chunk_size, texts));
  write_out(fmt::format("{:<36} {:>12} {:>10} {:>10} {:>7} {:>7} {:>9} {:>7} {:>8} {:>7}\n",
                        "of squares of the inputs", "sum", "mean", "max", "max %", "> 0 %",
                        "entropy", "even %", "z > 1 %", "cosine"));
  for (const ImportanceStatistics& tensor : all) write_out(line_of(tensor));
}

void warn_of_unmet(const ImportanceSums& sums) {
  for (const auto& [name, entry] : sums.entries) {
    if (entry.unmet() == 0) continue;
    std::string parts;
    int64_t shown = 0;
    for (size_t p = 0; p < entry.counts.size() && shown < 16; ++p) {
      if (entry.counts[p] == 0) parts += fmt::format("{}{}", shown++ > 0 ? ", " : "", p);
    }
    if (entry.unmet() > shown) parts += ", ...";
    say(fmt::format("warning: {}: {} of {} experts met nothing: {}", visible(name), entry.unmet(),
                    entry.parts(), parts));
  }
}

// --- gathering

Result<ImportanceSums> read_sums(const std::string& path, int context) {
  ImportanceSums sums = TRY(ImportanceSums::open(path));
  sums.count_rows(context);
  return sums;
}

Result<ImportanceSums> sum_of_files(const ImatrixFlags& flags) {
  ImportanceSums sums;
  for (const std::string& file : flags.from) TRY(sums.add(TRY(read_sums(file, flags.context))));
  return sums;
}

struct Gathered {
  int64_t windows = 0, planned = 0;
  double seconds = 0;
};

// Reads the text and writes the sums, now and then and at the end.
class Gathering {
 public:
  Gathering(const ImatrixFlags& flags, ImportanceSums before)
      : flags_(flags), before_(std::move(before)) {}

  Result<Gathered> run() {
    auto model = TRY(import::open_model(flags_.model, [](const std::string& note) { say(note); }));
    for (const std::string& warning : model->tokenizer.warnings()) say("warning: " + warning);
    quantize::ImportanceGatherer gatherer(model->file.tensors(), flags_.with_output);
    const auto runtime = TRY(engine::Runtime::start(std::move(model), runtime_options(&gatherer)));
    const tokenizer::Tokenizer& tokenizer = runtime->model().tokenizer;
    const std::string text = TRY(read_text(flags_.text));
    const std::vector<int32_t> tokens =
        TRY(tokenizer.encode(text, {.add_special = true, .parse_special = flags_.parse_special}));
    measure::CalibrationOptions options;
    options.context = flags_.context;
    options.first_window = flags_.first_chunk;
    options.most_windows = flags_.chunks;
    options.bos = tokenizer.adds_bos() ? tokenizer.bos() : -1;
    options.with_output = flags_.with_output;
    options.after_window = [&](int64_t done, int64_t all) -> Result<void> {
      tell_progress(done, all);
      if (done % flags_.every != 0 || done == all) return {};
      return write(gatherer, done);
    };
    Gathered gathered;
    gathered.planned = TRY(measure::count_windows(static_cast<int64_t>(tokens.size()), options));
    cache::PagedKv cache = TRY(runtime->new_cache());
    const Interrupts interrupts;
    const double start = seconds_now();
    gathered.windows = TRY(measure::read_windows(runtime->forward(), cache, tokens, options));
    gathered.seconds = seconds_now() - start;
    hide_progress();
    TRY(runtime->model().file.still_whole());
    if (gathered.windows > 0) TRY(write(gatherer, gathered.windows));
    return gathered;
  }

  const ImportanceSums& written() const { return written_; }

 private:
  engine::RuntimeOptions runtime_options(model::ProductObserver* observer) const {
    engine::RuntimeOptions options;
    options.threads = std::max(0, flags_.threads);
    options.context = flags_.context;
    options.max_rows = std::min(flags_.batch, flags_.context);
    options.max_outputs = flags_.with_output ? std::min(options.max_rows, 128) : 1;
    options.key_type = options.value_type = DType::F32;
    options.exact = true;
    options.observer = observer;
    return options;
  }

  void tell_progress(int64_t done, int64_t all) {
    const auto left = left_.after(done, all, seconds_now());
    show_progress(fmt::format("{} of {} windows{}", done, all,
                              left ? ", " + train::duration(*left) + " left" : ""));
  }

  Result<void> write(const quantize::ImportanceGatherer& gatherer, int64_t windows) {
    written_ = before_;
    ImportanceSums more = gatherer.sums();
    more.chunks = windows;
    more.chunk_size = flags_.context;
    more.datasets = {flags_.text};
    TRY(written_.add(more));
    return quantize::write_importance(written_, flags_.form(), flags_.out);
  }

  const ImatrixFlags& flags_;
  const ImportanceSums before_;
  ImportanceSums written_;
  train::TimeLeft left_;
};

void report(const ImatrixFlags& flags, const ImportanceSums& sums, const Gathered& gathered) {
  warn_of_unmet(sums);
  const bool whole = gathered.windows == gathered.planned;
  if (flags.json) {
    write_out(dump(Json{{"file", flags.out},
                        {"format", flags.format},
                        {"matrices", sums.entries.size()},
                        {"windows", gathered.windows},
                        {"context", flags.context},
                        {"finished", whole},
                        {"chunks", sums.chunks},
                        {"seconds", gathered.seconds}}) +
              "\n");
    return;
  }
  if (gathered.windows == 0 && !whole) {
    write_out("interrupted before the first window; nothing is written\n");
    return;
  }
  write_out(fmt::format("{}: {} matrices, {} windows of {} tokens, {:.1f} s\n", visible(flags.out),
                        sums.entries.size(), sums.chunks, sums.chunk_size, gathered.seconds));
  if (whole) return;
  write_out(
      fmt::format("interrupted after {} of {} windows; go on with --from {} --from-chunk {}\n",
                  gathered.windows, gathered.planned, visible(flags.out),
                  flags.first_chunk + gathered.windows));
}

Result<int> run_imatrix(const ImatrixFlags& flags) {
  if (!flags.show.empty()) {
    print_statistics(TRY(read_sums(flags.show, flags.context)), flags);
    return kDone;
  }
  ImportanceSums before = TRY(sum_of_files(flags));
  if (flags.text.empty()) {
    TRY(quantize::write_importance(before, flags.form(), flags.out));
    report(flags, before, {});
    return kDone;
  }
  for (const std::string& input : {flags.model, flags.text})
    TRY(expect_another_file(flags.out, input));
  Gathering gathering(flags, std::move(before));
  const Gathered gathered = TRY(gathering.run());
  report(flags, gathering.written(), gathered);
  return kDone;
}

// What is asked for in one of three ways, and needs of the rest.
void check_together(const ImatrixFlags& flags) {
  if (!flags.show.empty()) {
    if (flags.text.empty() && flags.model.empty() && flags.from.empty()) return;
    throw CLI::ValidationError("--show: expected no model, text or --from beside it");
  }
  if (flags.text.empty() && !flags.from.empty() && flags.model.empty()) return;
  if (flags.model.empty()) throw CLI::ValidationError("expected a model, or --show FILE");
  if (flags.text.empty())
    throw CLI::ValidationError("--file: expected a text for the model to read");
}

void add_reading_flags(CLI::App& command, ImatrixFlags& flags) {
  command.add_option("-t,--threads", flags.threads, "threads; 0 or -1: one for each core")
      ->check(CLI::Range(-1, 1024));
  command.add_option("-c,--ctx-size", flags.context, "tokens of a window")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command.add_option("-b,--batch,--batch-size", flags.batch, "tokens computed at a time")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  command.add_option("--chunks", flags.chunks, "windows to read; -1: all")
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 40))
      ->check([](const std::string& text) {
        return text == "0" ? "expected one window at least, or -1 for all" : "";
      });
  command.add_option("--from-chunk,--chunk", flags.first_chunk, "window to begin with, from 0")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  command.add_flag("--process-output", flags.with_output,
                   "also the output matrix (of a tied one, under the name of the embedding)");
  command.add_flag("--parse-special", flags.parse_special, "read special tokens in the text");
}

}  // namespace

void add_imatrix(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "imatrix", "what a text puts through each column of a model's matrices, for quantize");
  auto flags = std::make_shared<ImatrixFlags>();
  add_model(*command, flags->model, true);
  command->get_option("model")->description("model file (GGUF) or directory");
  command->add_option("-f,--file,--text", flags->text, "text to read; -: standard input")
      ->check(expect_text);
  command->add_option("-o,--out,--output-file", flags->out, "file to write")
      ->check(expect_text)
      ->capture_default_str();
  command->add_option("--format,--output-format", flags->format, "gguf, or the older dat")
      ->check(CLI::IsMember({"gguf", "dat"}))
      ->capture_default_str();
  command
      ->add_option("--from,--in-file", flags->from,
                   "file to add to; repeatable; without model and text: adds files, or changes "
                   "their form")
      ->check(expect_text);
  command
      ->add_option("--every,--output-frequency", flags->every,
                   "windows after which what there is is written")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  command->add_option("--show,--show-statistics", flags->show, "tell what a file says, by tensor")
      ->check(expect_text);
  add_reading_flags(*command, *flags);
  command->add_flag("--json", flags->json, "report as JSON");
  command->callback([flags, &action] {
    check_together(*flags);
    action = [flags] { return run_imatrix(*flags); };
  });
}

}  // namespace issun::apps
