#include "quantize/calibrated.h"

#include <algorithm>

#include "base/quote.h"
#include "gguf/expert_names.h"
#include "kernels/dispatch.h"
#include "kernels/search.h"
#include "quantize/finite.h"

namespace issun::quantize {

namespace {

constexpr int64_t kRoundedValues = 1 << 20;  // that are rounded at a time

}  // namespace

Result<std::vector<int32_t>> calibration_windows(const tokenizer::Tokenizer& tokenizer,
                                                 std::span<const std::string> texts, int window) {
  std::vector<int32_t> windows;
  const size_t begins = tokenizer.adds_bos() ? 1 : 0, taken = static_cast<size_t>(window) - begins;
  if (window <= static_cast<int>(begins))
    return fail("calibration: expected a context of at least {} tokens, found {}", begins + 1,
                window);
  for (const std::string& text : texts) {
    const std::vector<int32_t> tokens =
        TRY(tokenizer.encode(text, {.add_special = false, .parse_special = false}));
    for (size_t first = 0; first + taken <= tokens.size(); first += taken) {
      if (begins > 0) windows.push_back(tokenizer.bos());
      windows.insert(windows.end(), tokens.begin() + static_cast<int64_t>(first),
                     tokens.begin() + static_cast<int64_t>(first + taken));
    }
  }
  if (windows.empty()) return fail("calibration: expected a text of at least {} tokens", taken);
  return windows;
}

struct Calibration::Tools {
  const kernels::KernelTable& kernels;
  const Encoder encoder;
  const kernels::GemmScratch gemm;
};

Calibration::Calibration(const model::Model& model, const Plan& plan, CalibrationOptions options,
                         Workers& workers)
    : model_(model), plan_(plan), options_(std::move(options)), workers_(workers) {}
Calibration::~Calibration() = default;

Result<std::unique_ptr<Calibration>> Calibration::create(const model::Model& model,
                                                         const Plan& plan,
                                                         CalibrationOptions options,
                                                         Workers& workers) {
  std::unique_ptr<Calibration> made(new Calibration(model, plan, std::move(options), workers));
  const kernels::KernelTable* kernels = TRY(kernels::choose_kernels());
  const kernels::SearchTable* searches = TRY(kernels::choose_searches());
  made->tools_.reset(
      new Tools{*kernels, Encoder(*searches), TRY(kernels::GemmScratch::create(workers.count()))});
  made->layers_ =
      TRY(OneLayer::create(model, made->options_.tokens, made->options_.window, *kernels, workers));
  return made;
}

Result<const CalibratedTensor*> Calibration::find(const PlannedType& planned) {
  const int layer = layer_of(planned.tensor.name);
  const auto layers = static_cast<int>(model_.config.layers.size());
  if (layer < 0 || layer >= layers) return nullptr;
  for (; next_ <= layer; ++next_) {
    if (options_.progress) options_.progress(next_, layers);
    TRY(solve_layer(next_));
  }
  const auto found = done_.find(planned.tensor.name);
  return found != done_.end() ? &found->second : nullptr;
}

void Calibration::drop(std::string_view name) {
  const auto found = done_.find(name);
  if (found != done_.end()) done_.erase(found);
}

Result<void> Calibration::solve_layer(int l) {
  model::LayerWeights weights = model_.weights.layers[static_cast<size_t>(l)];
  Stages stages;
  TRY(layers_->look(l, weights, &stages, true));
  for (int stage = 0; stage < stages.count(); ++stage) TRY(solve_stage(l, stages, stage, &weights));
  if (l + 1 < static_cast<int>(model_.config.layers.size())) TRY(layers_->advance(l, weights));
  return {};
}

namespace {

// The parts of a layer that are views of `from` become the same parts of a tensor of another type.
void point_to(const Tensor& from, DType type, const std::byte* data, model::LayerWeights* weights) {
  weights->each_matrix([&](const Tensor& matrix, double) {
    if (matrix.name != from.name) return;
    Tensor& ours = const_cast<Tensor&>(matrix);  // of *weights, which visits them as constant
    const int64_t rows = (ours.data - from.data) / from.row_bytes();
    ours.type = type;
    ours.data = data + rows * ours.row_bytes();
  });
}

}  // namespace

Result<void> Calibration::solve_stage(int l, const Stages& stages, int stage,
                                      model::LayerWeights* weights) {
  std::vector<const PlannedType*> matrices;
  for (const PlannedType& planned : plan_.tensors) {
    if (stages.of(planned.tensor.name) != stage || planned.type == planned.tensor.type) continue;
    if (facts(planned.type).block > 1 && has_grid(planned.type)) matrices.push_back(&planned);
  }
  if (matrices.empty()) return {};
  Gatherer gatherer(stages, stage, tools_->kernels, workers_, tools_->gemm);
  TRY(layers_->look(l, *weights, &gatherer));
  for (auto& [expert, hessian] : gatherer.hessians()) hessian.finish();
  std::map<int, std::vector<Factor>> factors;  // of each expert
  Unfed unfed;
  for (const PlannedType* planned : matrices) {
    const Tensor& tensor = planned->tensor;
    if (gatherer.is_divided(tensor.name)) {
      notes_.push_back(fmt::format("{}: its parts read different rows: left to the search",
                                   printable(tensor.name)));
      continue;
    }
    TRY(solve(*planned, gatherer.hessians(), &factors, &unfed));
    // The plan may be that of another view of the same file.
    point_to(model_.file.find(tensor.name), planned->type,
             done_.find(tensor.name)->second.bytes.data(), weights);
  }
  for (const auto& [name, experts] : unfed) {
    if (experts.few == 0) continue;
    notes_.push_back(fmt::format(
        "{}: {} of {} experts met fewer rows than they have columns: left to the search",
        printable(name), experts.few, experts.all));
  }
  return {};
}

Result<void> Calibration::solve(const PlannedType& planned, std::map<int, Hessian>& hessians,
                                std::map<int, std::vector<Factor>>* factors, Unfed* unfed) {
  const Tensor& tensor = planned.tensor;
  CalibratedTensor made;
  made.bytes.resize(static_cast<size_t>(tensor.rows() * row_bytes(planned.type, tensor.columns())));
  const bool experts = !hessians.contains(-1);
  const int64_t parts = experts ? tensor.rows() / tensor.size[1] : 1;
  const auto name = gguf::expert_name(tensor.name);
  const int alone = name ? std::max(0, name->expert) : 0;  // whose tensor it is, or the first
  Sums sums;
  auto& [few, all] = (*unfed)[gguf::name_in_stack(tensor.name)];
  all += parts;
  for (int64_t part = 0; part < parts; ++part) {
    const int key = experts ? alone + static_cast<int>(part) : -1;
    const auto found = hessians.find(key);
    const Hessian* hessian = found != hessians.end() ? &found->second : nullptr;
    const Factor* factor = nullptr;
    if (hessian != nullptr && hessian->inputs >= hessian->n && options_.feedback) {
      const auto made_factor = factor_for(planned.type, *hessian, &(*factors)[key]);
      if (!made_factor) return fail("{}: {}", printable(tensor.name), made_factor.error().message);
      factor = *made_factor;
    } else if (options_.feedback) {
      ++few;
    }
    TRY(solve_part(planned, {part * tensor.rows() / parts, tensor.rows() / parts}, hessian, factor,
                   &made, &sums));
  }
  if (sums.all > 0) {
    made.search_error = sums.search / sums.all;
    made.error = sums.written / sums.all;
  }
  done_.emplace(tensor.name, std::move(made));
  return {};
}

// Matrices of one stage whose formats have blocks of the same length share a factor.
Result<const Factor*> Calibration::factor_for(DType type, const Hessian& hessian,
                                              std::vector<Factor>* factors) {
  EncodeScratch scratch;
  const int unit = make_grid(type, tools_->encoder, &scratch)->unit();
  const auto block = static_cast<int>(facts(type).block);
  for (const Factor& factor : *factors) {
    if (factor.block == block && factor.unit == unit) return &factor;
  }
  factors->reserve(8);  // places that stay
  CHECK_THAT(factors->size() < 8);
  factors->push_back(TRY(factor(hessian, block, unit, options_.by_weight, workers_)));
  return &factors->back();
}

Result<void> Calibration::solve_part(const PlannedType& planned, Rows rows, const Hessian* hessian,
                                     const Factor* factor, CalibratedTensor* out, Sums* sums) {
  const Tensor& tensor = planned.tensor;
  const int64_t n = tensor.columns(), bytes = row_bytes(planned.type, n);
  const int64_t at_once = std::clamp<int64_t>(kRoundedValues / n, 1, rows.count);
  Hessian alike;  // where nothing is known
  if (hessian == nullptr) {
    alike.n = n;
    alike.sums.assign(static_cast<size_t>(n * n), 0);
    alike.finish();
    hessian = &alike;
  }
  const Feedback::Tools tools = {tools_->kernels, tools_->encoder, tools_->gemm, workers_};
  Feedback feedback(tools, planned.type, *hessian, factor);
  std::vector<float> values(static_cast<size_t>(at_once * n + 256));
  std::vector<double> all(static_cast<size_t>(at_once)), plain = all, after = all;
  for (int64_t first = 0; first < rows.count; first += at_once) {
    const int64_t count = std::min(at_once, rows.count - first), row = rows.first + first;
    workers_.for_each(count, 8, [&](int64_t begin, int64_t end, int) {
      for (int64_t r = begin; r < end; ++r)
        tools_->kernels.decode_row[static_cast<size_t>(tensor.type)](
            tensor.row(row + r), static_cast<int>(n), values.data() + r * n);
    });
    for (int64_t r = 0; r < count; ++r)
      TRY(check_finite({values.data() + r * n, static_cast<size_t>(n)}, tensor.name, row + r));
    const Feedback::Errors errors = {std::span(all).first(static_cast<size_t>(count)),
                                     std::span(plain).first(static_cast<size_t>(count)),
                                     std::span(after).first(static_cast<size_t>(count))};
    feedback.round({values.data(), count, n}, out->bytes.data() + row * bytes, errors);
    for (int64_t r = 0; r < count; ++r) {
      const auto at = static_cast<size_t>(r);
      sums->all += all[at];
      sums->search += plain[at];
      sums->written += after[at];
    }
  }
  return {};
}

}  // namespace issun::quantize
