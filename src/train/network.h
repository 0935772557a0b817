// A network in training: forward and backward over whole sequences, all memory planned before the
// first step. The same facts and weights as model/forward.h, whose logits it has to within rounding
// (a test holds both together); it needs no cache, and keeps what going back needs.
// Not here: losses (loss.h), steps (optimiser.h).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "model/rope.h"
#include "train/pass.h"

namespace issun::train {

struct NetworkOptions {
  int sequences = 1, length = 512;  // of a batch
  bool recompute = false;           // less memory, a third more work: see RoomOptions
  bool distils = false;             // distil() will be called
  double balance = 0;               // factor of the balance loss of each layer with a mixture
  kernels::GemmPrecision precision = kernels::GemmPrecision::F32;
};

// What next_loss() and distil() say of a batch: sums over the rows that have a target.
struct LossSums {
  double cross_entropy = 0;  // nats
  double divergence = 0;     // from a teacher, nats
  int64_t rows = 0;
  int64_t hits = 0;  // targets that had the largest logit
};

class Network {
 public:
  // Bytes of activations and scratch that create() will ask for, without parameters.
  static Result<int64_t> planned_bytes(const model::ModelConfig& config,
                                       const model::Weights& weights, const NetworkOptions& options,
                                       int workers);
  // All but the options must outlive the result. Error: facts that training does not know, or
  // memory.
  static Result<std::unique_ptr<Network>> create(const model::ModelConfig& config,
                                                 const model::Weights& weights,
                                                 const Parameters& parameters,
                                                 const kernels::KernelTable& kernels,
                                                 Workers& workers, const NetworkOptions& options);

  int64_t bytes() const;  // of activations and scratch

  // The rows after the last norm, (rows, embedding). `batch` stays in use until backward().
  Matrix<float> forward(const Batch& batch);
  Matrix<float> hidden() const;  // the same rows again
  // The gradient of the loss by those rows: written by a loss, read by backward().
  Matrix<float> hidden_gradient();
  // Adds to the gradients of all parameters.
  void backward();

  // Cross-entropy of the next tokens. Writes hidden_gradient(), and adds to the gradients of the
  // output, for a loss of weight * (the sum over rows); weight 0: the sums alone.
  LossSums next_loss(double weight);
  // (1 - share) * cross-entropy + share * temperature^2 * KL(teacher || this), both at that
  // temperature; the teacher has seen the same batch. Hinton et al., 2015, "Distilling the
  // Knowledge in a Neural Network", section 2.
  LossSums distil(Network& teacher, double share, double temperature, double weight);

  // The matrices that follow the vector of a text (model/head.h), in order; often none.
  std::vector<const model::Linear*> head() const;
  // What one of them gives for some vectors; and from the gradient of that to what it read, adding
  // to the matrix's own.
  void project(const model::Linear& linear, const Matrix<float>& in,
               const Matrix<float>& out) const;
  void project_back(const model::Linear& linear, const Matrix<float>& in,
                    const Matrix<float>& d_out, const Matrix<float>& d_in) const;

  // The balance losses of all mixtures in the last forward pass, added up.
  double balance() const;
  // The share of visits that each expert of layer l has had in it.
  void loads(int l, std::span<double> shares) const;

 private:
  Network(const model::ModelConfig& config, const model::Weights& weights,
          const Parameters& parameters, const kernels::KernelTable& kernels, Workers& workers,
          const NetworkOptions& options);
  Pass pass() const;
  void place(const Pass& pass) const;
  void embed(const Pass& pass, const Matrix<float>& out) const;
  void embed_back(const Pass& pass) const;
  // The residual that layer l gives; -1: the embeddings.
  Matrix<float> residual_after(int l) const;
  // Fills rooms.live with the rows that have a target; how many there are.
  int64_t find_live() const;
  // The logits of some rows, into `room`; and from their gradient to that of the rows.
  Matrix<float> output(std::span<const int32_t> rows, std::span<float> room) const;
  void output_back(std::span<const int32_t> rows, const Matrix<float>& d_logits) const;
  // row(rows, logits) for some live rows after others; with `slopes` it leaves gradients upon the
  // logits.
  template <class Row>
  LossSums each_output(bool slopes, Row&& row);

  const model::ModelConfig& config_;
  const model::Weights& weights_;
  const Parameters& parameters_;
  const kernels::KernelTable& kernels_;
  Workers& workers_;
  const NetworkOptions options_;
  std::vector<model::Rope> ropes_;
  kernels::GemmScratch scratch_;
  std::unique_ptr<Rooms> rooms_;
  const Batch* batch_ = nullptr;  // of the last forward pass
};

}  // namespace issun::train
