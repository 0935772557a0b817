// A model larger than memory: the part of its weights that every token needs is read into memory
// once, the rest comes and goes through an experts::Store. Experts of mixtures, as their routers
// choose them; in a model without mixtures the matrices of whole layers, one behind the other.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experts/reuse.h"
#include "experts/store.h"
#include "experts/trace.h"
#include "gguf/reader.h"
#include "model/weights.h"

namespace issun::model {

// What is done about an expert that was chosen and is not in memory. All but Exact change what the
// model says.
enum class Missing {
  Exact,  // it is waited for
  Twin,   // that of a smaller file, which is in memory whole, takes its place
  Bias,   // experts in memory are chosen more readily
  Skip,   // it is left out if it would count little
};
const char* name(Missing missing);  // "exact", "twin", "bias", "skip"
std::optional<Missing> missing_from_name(std::string_view name);

// The smaller file of Missing::Twin: the same network in types of fewer bits.
struct Twin {
  Weights* weights = nullptr;  // nullptr: there is none
  const gguf::GgufFile* file = nullptr;
};

constexpr int kAsUsed = -1;  // as many as the mixture uses

struct ResidencyOptions {
  int64_t weight_bytes = 0;  // for all weights
  // As long as no more of the cache has been touched, all weights stay mapped and nothing is read.
  int64_t mapped_cache_bytes = 0;
  experts::PolicyKind policy = experts::PolicyKind::Lfru;
  experts::ReaderOptions reader = {};
  bool keep = true;       // false: nothing that comes stays
  int guesses = kAsUsed;  // experts of the next mixture that are read ahead for a token; 0: none
  int lookahead = 1;      // mixtures ahead that are guessed
  Missing missing = Missing::Exact;
  double bias = 0.1;         // Bias: what is added to the scores that the choice goes by
  double least_share = 0.2;  // Skip: of its token, that is waited for all the same
  Twin twin = {};
};

// What lies where.
struct ResidencyPlan {
  int64_t pinned_bytes = 0;    // in memory always, a twin's experts included
  int64_t streamed_bytes = 0;  // all that comes and goes
  int64_t budget_bytes = 0;    // of it in memory, at most
  int64_t passing_bytes = 0;   // of these, for what is on its way
  int64_t unit_bytes = 0;      // of the largest thing that is read at once
  int units = 0, groups = 0;
  int used = 0;             // units of a group, by one token
  bool mixture = false;     // units are experts, not layers
  int64_t token_bytes = 0;  // streamed weights that one token needs
  int reads_per_unit = 1;
  // Bytes of weights that leave no choice.
  int64_t least_bytes() const;
};

struct PinnedLayout;  // residency_layout.h
struct TwinLayout;
struct ResidencyLayout;

class Residency {
 public:
  // Error: a budget that is too small, with both numbers.
  static Result<ResidencyPlan> plan(const Weights& weights, const gguf::GgufFile& file,
                                    const ResidencyOptions& options);
  // Reads what is pinned and lets the views of `weights` point there, unless all stays mapped at
  // first. Weights and file must outlive the result. Error: as plan(); a model that is not in a
  // file; the disk; memory.
  static Result<std::unique_ptr<Residency>> create(Weights& weights, const gguf::GgufFile& file,
                                                   const ResidencyOptions& options);
  // The same, from another source than the file: tests.
  static Result<std::unique_ptr<Residency>> create(Weights& weights, const gguf::GgufFile& file,
                                                   const ResidencyOptions& options,
                                                   std::unique_ptr<experts::Source> source);
  // The views point into the file's mapping again.
  ~Residency();

  // Tells that so much of the cache is about to be in use. Weights that stayed mapped come and go
  // from now on if that is more than there was room for. Error: the disk; memory; then they stay
  // mapped until the next call.
  Result<void> make_way(int64_t cache_bytes);
  // Whether weights come and go; else there is no store, and nothing is to be asked of it.
  bool begun() const { return store_ != nullptr; }

  const ResidencyPlan& plan() const { return plan_; }
  const ResidencyOptions& options() const { return options_; }
  experts::Store& store() { return *store_; }
  const experts::Store& store() const { return *store_; }
  // Whether the experts of this layer come and go.
  bool streams(int layer) const { return group_of_[static_cast<size_t>(layer)] >= 0; }
  bool whole_layers() const { return !plan_.mixture; }
  // The first layer behind this one that streams; -1: there is none.
  int next_streaming(int layer) const;
  bool in_memory(int layer, int unit) const;
  // Missing::Bias: adds to the scores of experts in memory.
  void favour(int layer, std::span<float> bias) const;
  // Missing::Skip: of the experts that a token chose, those that are missing and count little give
  // their shares to the others, whose numbers stand for them then.
  void leave_out(int layer, std::span<int32_t> chosen, std::span<float> shares) const;

  // The units of a layer that are used now, in ascending order; then next() until it gives none:
  // the views of the units that it gives point to memory until the next call. After a failure it
  // gives none, and failure() says why, once.
  void need(int layer, std::span<const experts::Use> uses);
  std::span<const int> next();
  struct Guess {
    int layer = 0, unit = 0;
  };
  void expect(std::span<const Guess> guesses);
  Result<void> failure();
  // Divides the memory between the layers by what a trace of this model says it gains there.
  // Error: a trace of another model.
  Result<void> divide_by(const experts::Trace& trace);

  // Of a model without mixtures: the layer's matrices are in memory until leave().
  void enter(int layer);
  void leave(int layer);

 private:
  struct View {
    Tensor* tensor;
    Tensor in_file;
    int64_t offset;  // in the memory of the unit
    Tensor twin;
  };
  using Unit = std::vector<View>;

  Residency(Weights& weights, const gguf::GgufFile& file, const ResidencyOptions& options);
  Result<void> begin();
  Result<void> read_pinned(const PinnedLayout& pinned, experts::Source& source);
  Result<void> read_twin(const TwinLayout& layout);
  void point_to_file();
  void note_uses(std::span<const experts::Use> uses);
  void divide(const std::vector<std::vector<double>>& curves);
  Unit& unit(int u) { return units_[static_cast<size_t>(group_)][static_cast<size_t>(u)]; }

  Weights& weights_;
  const gguf::GgufFile& file_;
  const ResidencyOptions options_;
  ResidencyPlan plan_;
  std::unique_ptr<ResidencyLayout> layout_;  // until begin()
  AlignedBuffer pinned_, twin_;
  std::vector<View> pinned_views_;
  std::vector<int> group_of_;  // (layers); -1: none
  std::vector<int> layer_of_;  // (groups)
  std::vector<std::vector<Unit>> units_;
  std::unique_ptr<experts::Source> source_;
  std::unique_ptr<experts::Store> store_;
  int group_ = -1;          // that was needed last
  std::vector<int> given_;  // ascending
  std::vector<int> twins_;  // that next() gives with the first others, from the twin
  std::vector<experts::Use> uses_;
  std::vector<experts::UnitName> expected_;
  Result<void> failure_;
  std::vector<experts::ReuseCurve> curves_;  // (groups), of batches of few tokens
  std::vector<int32_t> together_;
  int64_t noted_ = 0;
};

}  // namespace issun::model
