#include "model/head.h"

#include <cmath>

namespace issun::model {

Result<Head> Head::create(const ModelConfig& config, const Weights& weights,
                          const kernels::KernelTable& kernels, Workers& workers, bool classifies) {
  const HeadWeights& parts = weights.head;
  for (const Linear* linear :
       {&parts.first_dense, &parts.second_dense, &parts.classifier, &parts.scores}) {
    const Tensor& matrix = linear->weight;
    if (!matrix) continue;
    const char* why = kernels::why_not_computable(kernels, matrix.type, matrix.columns());
    if (why != nullptr) return fail("{}: cannot be computed with: {}", matrix.name, why);
  }
  Head head(config, parts, kernels, workers, classifies);
  head.scratch_ = TRY(kernels::LinearScratch::create(workers.count()));
  return head;
}

std::span<const float> Head::run(std::span<const float> pooled) {
  vector_.assign(pooled.begin(), pooled.end());
  apply(weights_->first_dense);
  apply(weights_->second_dense);
  if (classifies_) classify();
  return vector_;
}

void Head::apply(const Linear& linear) {
  if (!linear.weight) return;
  const int64_t columns = static_cast<int64_t>(vector_.size()), rows = linear.weight.rows();
  next_.resize(static_cast<size_t>(rows));
  kernels::Activations activations;
  activations.rows = {vector_.data(), 1, columns, columns};
  const kernels::Product product{linear.weight, {next_.data(), 1, rows, rows}};
  kernels::linear(*kernels_, *workers_, scratch_, activations, {&product, 1}, true);
  if (linear.bias) kernels_->add(next_.data(), linear.bias.floats(), rows, next_.data());
  vector_.swap(next_);
}

void Head::classify() {
  const int n = static_cast<int>(vector_.size());
  if (weights_->classifier.weight) {
    apply(weights_->classifier);
    if (config_->reading.gelu) {
      kernels_->gelu_mul(vector_.data(), nullptr, n, vector_.data());
    } else {
      for (float& x : vector_) x = std::tanh(x);
    }
    if (weights_->classifier_norm) {
      kernels_->layer_norm(vector_.data(), weights_->classifier_norm.gains.floats(), nullptr, n,
                           static_cast<float>(config_->norm_epsilon), vector_.data());
    }
  }
  apply(weights_->scores);
  if (config_->reading.shares) {
    kernels_->softmax(vector_.data(), static_cast<int>(vector_.size()));
  }
}

}  // namespace issun::model
