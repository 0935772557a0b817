// Codes of a model's matrices by what a calibration text puts through them, layer by layer, each
// seeing what the quantised layers before it give.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "quantize/gather.h"
#include "quantize/one_layer.h"
#include "quantize/plan.h"

namespace issun::quantize {

struct CalibrationOptions {
  std::vector<int32_t> tokens;  // of the text, a whole number of windows
  int window = 512;
  bool feedback = true;   // false: `search`, with the diagonal of the Hessian for importance
  bool by_weight = true;  // columns that count most are rounded first (act-order)
  std::function<void(int layer, int layers)> progress = {};
};

// Texts as windows of tokens, each beginning as the vocabulary begins texts. What does not fill a
// window is left out. Error: there is none.
Result<std::vector<int32_t>> calibration_windows(const tokenizer::Tokenizer& tokenizer,
                                                 std::span<const std::string> texts, int window);

// What one matrix (a stack of experts as a whole) became.
struct CalibratedTensor {
  std::vector<std::byte> bytes;
  // tr(E H E^T) / tr(W H W^T), H from the calibration text: of the search, and of `bytes`.
  double search_error = 0, error = 0;
};

class Calibration {
 public:
  // All of these outlive the calibration. Error: as OneLayer, or memory.
  static Result<std::unique_ptr<Calibration>> create(const model::Model& model, const Plan& plan,
                                                     CalibrationOptions options, Workers& workers);
  ~Calibration();
  // The matrix with the type of the plan; nullptr where calibration has nothing to say: not a
  // matrix of a layer that the text went through, or a type without codes. Layers are worked off in
  // order and held until drop() of each matrix. Error: memory, or weights that are not finite.
  Result<const CalibratedTensor*> find(const PlannedType& planned);
  void drop(std::string_view name);
  // Sentences about what was left to the search.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct Tools;
  struct Rows {
    int64_t first, count;
  };
  struct Sums {
    double all = 0, search = 0, written = 0;  // of w H w^T and of e H e^T
  };
  // Of the experts of a stack, by its name: those that met too few rows.
  struct Experts {
    int64_t few = 0, all = 0;
  };
  using Unfed = std::map<std::string, Experts>;
  Calibration(const model::Model& model, const Plan& plan, CalibrationOptions options,
              Workers& workers);
  Result<void> solve_layer(int l);
  Result<void> solve_stage(int l, const Stages& stages, int stage, model::LayerWeights* weights);
  Result<void> solve(const PlannedType& planned, std::map<int, Hessian>& hessians,
                     std::map<int, std::vector<Factor>>* factors, Unfed* unfed);
  Result<const Factor*> factor_for(DType type, const Hessian& hessian,
                                   std::vector<Factor>* factors);
  Result<void> solve_part(const PlannedType& planned, Rows rows, const Hessian* hessian,
                          const Factor* factor, CalibratedTensor* out, Sums* sums);

  const model::Model& model_;
  const Plan& plan_;
  const CalibrationOptions options_;
  Workers& workers_;
  std::unique_ptr<Tools> tools_;
  std::unique_ptr<OneLayer> layers_;
  int next_ = 0;  // the layer to be solved
  std::map<std::string, CalibratedTensor, std::less<>> done_;
  std::vector<std::string> notes_;
};

}  // namespace issun::quantize
