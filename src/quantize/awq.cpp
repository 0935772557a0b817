#include "quantize/awq.h"

#include <algorithm>
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/search.h"
#include "quantize/finite.h"

namespace issun::quantize {

namespace {

constexpr int kPowers = 20;          // 0, 1/20, ... 19/20, as the authors try them
constexpr int64_t kTriedRows = 256;  // of each matrix, evenly spread
constexpr float kLeastMagnitude = 1e-4f;

// Several observers of one pass.
class Together final : public model::ProductObserver {
 public:
  void add(model::ProductObserver* observer) { all_.push_back(observer); }
  void see(const Tensor& weights, int expert, const Matrix<const float>& rows) override {
    for (model::ProductObserver* observer : all_) observer->see(weights, expert, rows);
  }

 private:
  std::vector<model::ProductObserver*> all_;
};

// The factors of columns for a power, their smallest and largest as far below 1 as above.
std::vector<float> factors_for(const Hessian& hessian, double power) {
  std::vector<float> factors;
  for (const float sum : hessian.magnitudes) {
    const float mean = sum / static_cast<float>(std::max<int64_t>(1, hessian.inputs));
    factors.push_back(
        static_cast<float>(std::pow(static_cast<double>(std::max(mean, kLeastMagnitude)), power)));
  }
  const auto [least, most] = std::minmax_element(factors.begin(), factors.end());
  const float middle = std::sqrt(*least * *most);
  for (float& factor : factors) factor /= middle;
  return factors;
}

// A matrix that is tried: its rows, and the format it will have.
struct Tried {
  Tensor tensor;
  DType type;
  std::vector<float> values;  // (rows, n)
  int64_t rows;
  double all = 0, plain = 0, least = 0;  // sums of w H w^T and of e H e^T
};

class Stretcher {
 public:
  Stretcher(const model::Model& model, const Plan& plan, const kernels::KernelTable& kernels,
            const kernels::SearchTable& searches, const kernels::GemmScratch& gemm,
            Workers& workers)
      : model_(model),
        plan_(plan),
        kernels_(kernels),
        encoder_(searches),
        gemm_(gemm),
        workers_(workers),
        scratch_(static_cast<size_t>(workers.count())) {
    for (auto& scratch : scratch_) scratch = std::make_unique<EncodeScratch>();
  }

  Result<void> layer(int l, OneLayer* layers, Stretches* out) {
    const model::LayerWeights& weights = model_.weights.layers[static_cast<size_t>(l)];
    const Folds found = folds_of(model_.config, weights, l);
    out->notes.insert(out->notes.end(), found.notes.begin(), found.notes.end());
    Stages stages;
    TRY(layers->look(l, weights, &stages, true));
    std::map<int, Gatherer> gatherers;
    Together together;
    for (const Fold& fold : found.folds) {
      const int stage = stages.of(fold.readers[0].name);
      if (stage < 0 || gatherers.contains(stage)) continue;
      together.add(
          &gatherers.try_emplace(stage, stages, stage, kernels_, workers_, gemm_).first->second);
    }
    TRY(layers->look(l, weights, &together));
    for (auto& [stage, gatherer] : gatherers) {
      for (auto& [expert, hessian] : gatherer.hessians()) hessian.finish();
    }
    for (const Fold& fold : found.folds) {
      const auto gatherer = gatherers.find(stages.of(fold.readers[0].name));
      if (gatherer == gatherers.end() || !gatherer->second.hessians().contains(-1)) continue;
      TRY(stretch(fold, gatherer->second.hessians().at(-1), out));
    }
    return {};
  }

 private:
  // The same tensor as a whole: matrices may be parts of one that is fused.
  const PlannedType* planned(const Tensor& part) const {
    for (const PlannedType& tensor : plan_.tensors) {
      if (tensor.tensor.name == part.name) return &tensor;
    }
    return nullptr;
  }

  Result<void> stretch(const Fold& fold, const Hessian& hessian, Stretches* out) {
    std::vector<Tried> tried;
    for (const Tensor& reader : fold.readers) {
      const PlannedType* plan = planned(reader);
      if (plan == nullptr || plan->type == plan->tensor.type || facts(plan->type).block == 1)
        continue;
      tried.push_back({reader, plan->type, {}, std::min(kTriedRows, reader.rows())});
      TRY(load(hessian, &tried.back()));
    }
    if (tried.empty()) return {};  // nothing is gained, and all stays as it is
    std::vector<float> best = factors_for(hessian, 0);
    double least = 0, power = 0;
    for (int k = 0; k < kPowers && !tried.empty(); ++k) {
      const std::vector<float> factors = factors_for(hessian, static_cast<double>(k) / kPowers);
      double sum = 0;
      std::vector<double> errors;
      for (const Tried& matrix : tried) errors.push_back(error_of(matrix, hessian, factors));
      for (const double error : errors) sum += error;
      if (k > 0 && !(sum < least)) continue;
      least = sum;
      power = static_cast<double>(k) / kPowers;
      best = factors;
      for (size_t i = 0; i < tried.size(); ++i) {
        if (k == 0) tried[i].plain = errors[i];
        tried[i].least = errors[i];
      }
    }
    apply(fold, hessian, best, out);
    for (const Tried& matrix : tried) {
      Stretch& told = out->tensors[std::string(matrix.tensor.name)];
      told.power = power;
      told.search_error = matrix.plain / std::max(1e-300, matrix.all);
      told.error = matrix.least / std::max(1e-300, matrix.all);
    }
    return {};
  }

  Result<void> load(const Hessian& hessian, Tried* tried) {
    const Tensor& tensor = tried->tensor;
    const int64_t n = tensor.columns();
    tried->values.resize(static_cast<size_t>(tried->rows * n + 256));
    for (int64_t i = 0; i < tried->rows; ++i) {
      const int64_t row = i * tensor.rows() / tried->rows;
      float* values = tried->values.data() + i * n;
      kernels_.decode_row[static_cast<size_t>(tensor.type)](tensor.row(row), static_cast<int>(n),
                                                            values);
      TRY(check_finite({values, static_cast<size_t>(n)}, tensor.name, row));
    }
    tried->all = sum_of({tried->values.data(), tried->rows, n}, hessian);
    return {};
  }

  // The sum of e H e^T when columns times `factors` are searched.
  double error_of(const Tried& tried, const Hessian& hessian, const std::vector<float>& factors) {
    const int64_t n = hessian.n, bytes = row_bytes(tried.type, n);
    const std::vector<float> importance = importance_of(hessian, factors);
    std::vector<float> errors(static_cast<size_t>(tried.rows * n));
    workers_.for_each(tried.rows, 8, [&](int64_t begin, int64_t end, int worker) {
      std::vector<float> row(static_cast<size_t>(n) + 256);
      std::vector<std::byte> encoded(static_cast<size_t>(bytes));
      for (int64_t r = begin; r < end; ++r) {
        const float* values = tried.values.data() + r * n;
        for (int64_t i = 0; i < n; ++i)
          row[static_cast<size_t>(i)] = values[i] * factors[static_cast<size_t>(i)];
        encoder_.encode_row(tried.type, row.data(), n, importance.data(),
                            scratch_[static_cast<size_t>(worker)].get(), encoded.data());
        kernels_.decode_row[static_cast<size_t>(tried.type)](encoded.data(), static_cast<int>(n),
                                                             row.data());
        for (int64_t i = 0; i < n; ++i)
          errors[static_cast<size_t>(r * n + i)] =
              row[static_cast<size_t>(i)] / factors[static_cast<size_t>(i)] - values[i];
      }
    });
    return sum_of({errors.data(), tried.rows, n}, hessian);
  }

  double sum_of(const Matrix<const float>& rows, const Hessian& hessian) {
    const int64_t n = hessian.n;
    std::vector<float> products(static_cast<size_t>(rows.rows * n));
    const kernels::Gemm product = {
        .a = kernels::operand(rows),
        .b = kernels::operand(Matrix<const float>{hessian.sums.data(), n, n}),
        .out = {products.data(), rows.rows, n}};
    kernels::gemm(kernels_, workers_, gemm_, {&product, 1});
    double sum = 0;
    for (int64_t r = 0; r < rows.rows; ++r) {
      for (int64_t i = 0; i < n; ++i)
        sum += static_cast<double>(rows.row(r)[i]) *
               static_cast<double>(products[static_cast<size_t>(r * n + i)]);
    }
    return sum;
  }

  // Inputs become so much smaller, and their squares count.
  static std::vector<float> importance_of(const Hessian& hessian,
                                          const std::vector<float>& factors) {
    std::vector<float> importance;
    for (int64_t i = 0; i < hessian.n; ++i) {
      const float factor = factors[static_cast<size_t>(i)];
      importance.push_back(hessian.sums[static_cast<size_t>(i * hessian.n + i)] /
                           (factor * factor));
    }
    return importance;
  }

  void apply(const Fold& fold, const Hessian& hessian, const std::vector<float>& factors,
             Stretches* out) {
    for (const Tensor& reader : fold.readers) {
      Stretch& stretch = out->tensors[std::string(reader.name)];
      stretch.columns = factors;
      stretch.importance = importance_of(hessian, factors);
    }
    std::vector<float> inverses;
    for (const float factor : factors) inverses.push_back(1 / factor);
    for (const Tensor& vector : fold.vectors) {
      std::vector<float>& all = out->tensors[std::string(vector.name)].columns;
      const Tensor whole = model_.file.find(vector.name);
      all.resize(static_cast<size_t>(whole.columns() * whole.rows()), 1);
      std::copy(inverses.begin(), inverses.end(),
                all.begin() + (vector.data - whole.data) / static_cast<int64_t>(sizeof(float)));
    }
    if (!fold.giver) return;
    const Tensor whole = model_.file.find(fold.giver.name);
    std::vector<float>& all = out->tensors[std::string(fold.giver.name)].rows;
    all.resize(static_cast<size_t>(whole.rows()), 1);
    std::copy(inverses.begin(), inverses.end(),
              all.begin() + (fold.giver.data - whole.data) / whole.row_bytes());
  }

  const model::Model& model_;
  const Plan& plan_;
  const kernels::KernelTable& kernels_;
  const Encoder encoder_;
  const kernels::GemmScratch& gemm_;
  Workers& workers_;
  std::vector<std::unique_ptr<EncodeScratch>> scratch_;
};

}  // namespace

const Stretch* Stretches::find(std::string_view name) const {
  const auto found = tensors.find(name);
  return found != tensors.end() ? &found->second : nullptr;
}

Result<Stretches> find_stretches(const model::Model& model, const Plan& plan,
                                 const CalibrationOptions& options, Workers& workers) {
  const kernels::KernelTable* kernels = TRY(kernels::choose_kernels());
  const kernels::SearchTable* searches = TRY(kernels::choose_searches());
  const kernels::GemmScratch gemm = TRY(kernels::GemmScratch::create(workers.count()));
  const auto layers =
      TRY(OneLayer::create(model, options.tokens, options.window, *kernels, workers));
  Stretcher stretcher(model, plan, *kernels, *searches, gemm, workers);
  Stretches found;
  const auto count = static_cast<int>(model.config.layers.size());
  for (int l = 0; l < count; ++l) {
    if (options.progress) options.progress(l, count);
    TRY(stretcher.layer(l, layers.get(), &found));
    if (l + 1 < count) TRY(layers->advance(l, model.weights.layers[static_cast<size_t>(l)]));
  }
  return found;
}

}  // namespace issun::quantize
