#include "train/parameters.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/available_memory.h"
#include "base/quote.h"
#include "kernels/linear.h"
#include "tensor/codec.h"
#include "train/mixture.h"

namespace issun::train {

namespace {

constexpr int64_t kPadding = kCacheLine / static_cast<int64_t>(sizeof(float));

// visit(tensor) for every tensor of a network that training knows.
template <class Visit>
void each_tensor(model::Weights& weights, Visit&& visit) {
  const auto linear = [&](model::Linear& part) {
    visit(part.weight);
    visit(part.bias);
  };
  const auto norm = [&](model::Norm& part) {
    visit(part.gains);
    visit(part.bias);
  };
  const auto feed_forward = [&](model::FeedForwardWeights& part) {
    for (model::Linear* matrix : {&part.gate, &part.up, &part.down}) linear(*matrix);
  };
  visit(weights.token_embedding);
  visit(weights.learned_positions);
  visit(weights.token_types);
  norm(weights.embedding_norm);
  norm(weights.output_norm);
  linear(weights.output);
  linear(weights.head.first_dense);
  linear(weights.head.second_dense);
  for (model::LayerWeights& layer : weights.layers) {
    for (model::Norm* part :
         {&layer.before_mixer, &layer.after_mixer, &layer.before_feed_forward,
          &layer.after_feed_forward, &layer.attention.query_norm, &layer.attention.key_norm}) {
      norm(*part);
    }
    for (model::Linear* matrix : {&layer.attention.query, &layer.attention.key,
                                  &layer.attention.value, &layer.attention.output}) {
      linear(*matrix);
    }
    feed_forward(layer.feed_forward);
    linear(layer.mixture.router);
    for (model::FeedForwardWeights& expert : layer.mixture.experts) feed_forward(expert);
  }
}

bool is_target(const AdapterOptions& options, std::string_view name) {
  if (options.targets.empty()) return true;
  return std::any_of(options.targets.begin(), options.targets.end(), [&](const std::string& part) {
    return name.find(part) != std::string_view::npos;
  });
}

}  // namespace

DType Parameter::stored_as(DType matrices) const {
  return decays && size[0] % facts(matrices).block == 0 ? matrices : DType::F32;
}

Result<void> Parameters::train_rounded(DType type, Workers& workers) {
  if (!can_encode(type)) {
    return fail("expected a type that can be written for training with rounded weights, found {}",
                facts(type).name);
  }
  auto memory = AlignedBuffer::create(values_.bytes());
  if (!memory) return fail("{} numbers to be rounded: {}", count(), memory.error().message);
  unrounded_ = std::move(*memory);
  std::memcpy(unrounded_.data(), values_.data(), static_cast<size_t>(values_.bytes()));
  rounded_ = type;
  round(workers);
  return {};
}

void Parameters::round(Workers& workers) const {
  if (!rounded_) return;
  for (const Parameter& p : list_) {
    const DType type = p.stored_as(*rounded_);
    const std::span<float> from = learnt_of(p), to = values_of(p);
    const int64_t columns = p.size[0];
    workers.for_each(p.count() / columns, 8, [&](int64_t begin, int64_t end, int) {
      std::vector<std::byte> row(static_cast<size_t>(row_bytes(type, columns)));
      for (int64_t r = begin; r < end; ++r) {
        encode_row(type, from.data() + r * columns, columns, row.data());
        decode_row(type, row.data(), columns, to.data() + r * columns);
      }
    });
  }
}

Parameter& Parameters::add(std::string_view name, const std::array<int64_t, 4>& size) {
  Parameter parameter{name, size, floats_, size[1] * size[2] * size[3] > 1};
  floats_ += round_up(parameter.count(), kPadding);
  return list_.emplace_back(parameter);
}

Result<void> Parameters::allocate() {
  const int64_t bytes = floats_ * static_cast<int64_t>(sizeof(float));
  const int64_t available = available_memory_bytes();
  if (available >= 0 && saturating_mul(bytes, 4) > available) {
    return fail(
        "{} trainable numbers: expected {} MB of free memory for them, their gradients and two "
        "moments, found {} MB",
        count(), saturating_mul(bytes, 4) / 1000000, available / 1000000);
  }
  for (AlignedBuffer* buffer : {&values_, &gradients_, &first_, &second_}) {
    auto memory = AlignedBuffer::create(bytes);
    if (!memory) return fail("{} trainable numbers: {}", count(), memory.error().message);
    *buffer = std::move(*memory);
  }
  return {};
}

int64_t Parameters::count() const {
  int64_t sum = 0;
  for (const Parameter& parameter : list_) sum += parameter.count();
  return sum;
}

float* Parameters::gradient(const Tensor& tensor) const {
  const std::byte* begin = values_.data();
  if (!tensor || tensor.data < begin || tensor.data >= begin + values_.bytes()) return nullptr;
  return reinterpret_cast<float*>(gradients_.data() + (tensor.data - begin));
}

Result<Parameters> Parameters::whole(const gguf::GgufFile& file, model::Weights& weights,
                                     const kernels::KernelTable& kernels) {
  Parameters parameters;
  // The network sees the file's tensors whole or rows of them (one expert of all, the queries of
  // a fused matrix): what lies in a tensor keeps its place in it.
  std::vector<const Tensor*> seen;
  each_tensor(weights, [&](Tensor& view) {
    if (!view) return;
    for (const Tensor& tensor : file.tensors()) {
      if (view.data >= tensor.data && view.data < tensor.data + tensor.bytes()) {
        if (std::find(seen.begin(), seen.end(), &tensor) == seen.end()) seen.push_back(&tensor);
        return;
      }
    }
  });
  std::sort(seen.begin(), seen.end());
  for (const Tensor* tensor : seen) {
    const auto type = static_cast<size_t>(tensor->type);
    if (type >= kernels::kTypes || kernels.decode_row[type] == nullptr) {
      return fail("{}: expected a type that can be decoded for training, found {}", tensor->name,
                  facts(tensor->type).name);
    }
    parameters.add(tensor->name, tensor->size);
  }
  TRY(parameters.allocate());
  for (size_t i = 0; i < seen.size(); ++i) {
    float* to = parameters.values_of(parameters.list_[i]).data();
    for (int64_t r = 0; r < seen[i]->rows(); ++r) {
      kernels::embed_row(kernels, *seen[i], r,
                         {to + r * seen[i]->columns(), static_cast<size_t>(seen[i]->columns())});
    }
  }
  each_tensor(weights, [&](Tensor& view) {
    for (size_t i = 0; i < seen.size() && view; ++i) {
      const Tensor& tensor = *seen[i];
      if (view.data < tensor.data || view.data >= tensor.data + tensor.bytes()) continue;
      // A view begins with a row, or, in a vector of plain floats, anywhere.
      const int64_t bytes = view.data - tensor.data, row = bytes / tensor.row_bytes();
      const int64_t within = bytes % tensor.row_bytes() / (facts(tensor.type).bytes);
      view.data = reinterpret_cast<const std::byte*>(
          parameters.values().data() + parameters.list_[i].first + row * tensor.columns() + within);
      view.type = DType::F32;
      break;
    }
  });
  return parameters;
}

Result<Parameters> Parameters::adapters(const gguf::GgufFile& file, model::Weights& weights,
                                        const AdapterOptions& options) {
  Parameters parameters;
  std::vector<model::Linear*> matrices;
  std::vector<std::string> idle = options.targets;  // that no matrix has matched yet
  Result<void> sound;
  weights.each_adaptable([&](model::Linear& linear) {
    if (!linear.weight || !is_target(options, linear.weight.name)) return;
    if (file.find(linear.weight.name).rows() != linear.weight.rows()) {
      sound = fail("{}: expected a matrix of its own to adapt, found one fused with others",
                   linear.weight.name);
      return;
    }
    matrices.push_back(&linear);
    std::erase_if(idle, [&](const std::string& part) {
      return linear.weight.name.find(part) != std::string_view::npos;
    });
    for (const char* suffix : {".lora_a", ".lora_b"}) {
      const bool a = suffix[6] == 'a';
      parameters.names_.push_back(std::string(linear.weight.name) + suffix);
      Parameter& added =
          parameters.add(parameters.names_.back(), {a ? linear.weight.columns() : options.rank,
                                                    a ? options.rank : linear.weight.rows(), 1, 1});
      added.decays = true;  // of one row, too
    }
  });
  TRY(sound);
  if (!idle.empty() || std::count(options.targets.begin(), options.targets.end(), "") > 0) {
    return fail("targets: expected parts of names of matrices that can be adapted, found {}",
                idle.empty() ? "an empty one" : printable(idle[0]));
  }
  if (matrices.empty()) return fail("adapters: expected targets that name matrices, found none");
  TRY(parameters.allocate());
  std::mt19937_64 random(options.seed);
  for (size_t i = 0; i < matrices.size(); ++i) {
    const auto view = [&](const Parameter& p) {
      Tensor tensor{p.name, DType::F32, p.size};
      tensor.data = reinterpret_cast<const std::byte*>(parameters.values_of(p).data());
      return tensor;
    };
    const Parameter &a = parameters.list_[2 * i], &b = parameters.list_[2 * i + 1];
    const double bound = 1 / std::sqrt(static_cast<double>(a.size[0]));
    for (float& x : parameters.values_of(a)) {
      const double unit = static_cast<double>(random() >> 11) * 0x1p-53;
      x = static_cast<float>((2 * unit - 1) * bound);
    }
    matrices[i]->adapters.push_back(
        {view(a), view(b), static_cast<float>(options.alpha / options.rank)});
    weights.adapter_sizes.rank = std::max<int64_t>(weights.adapter_sizes.rank, options.rank);
    weights.adapter_sizes.outputs = std::max(weights.adapter_sizes.outputs, b.size[1]);
    weights.adapter_sizes.count = 1;
  }
  return parameters;
}

Result<void> check_trainable(const model::ModelConfig& config) {
  const auto refuse = [&](const char* what) -> Result<void> {
    return fail("{}: training does not know {}", config.architecture, what);
  };
  if (config.streams.count > 1) return refuse("streams between layers");
  if (config.layer_input_width != 0) return refuse("inputs of each layer");
  if (config.logit_softcap != 0) return refuse("soft caps of logits");
  if (config.query_growth != 0) return refuse("queries that grow with the position");
  for (const model::LayerConfig& layer : config.layers) {
    if (layer.mixer != model::MixerKind::Attention) return refuse("layers without attention");
    if (layer.attention_softcap != 0) return refuse("soft caps of attention scores");
    if (layer.alibi != 0) return refuse("ALiBi");
    if (layer.sinks) return refuse("attention sinks");
    if (layer.gated_output) return refuse("gated attention");
    if (layer.value_norm) return refuse("norms of values");
    if (layer.kv_from != model::kOwnKeys) return refuse("keys shared between layers");
    if (layer.parallel) return refuse("parallel halves of a layer");
    if (layer.gate_cutoff != 0) return refuse("gates that are cut off");
    if (layer.output_scale) return refuse("scaled layers");
    if (layer.feed_forward == model::FeedForwardKind::None) return refuse("layers of one half");
    const bool mixture = layer.feed_forward == model::FeedForwardKind::Mixture;
    if (layer.activation == model::Activation::ClampedSilu) return refuse("clamped activations");
    if (mixture && layer.mixture.shared_length != 0) return refuse("shared experts");
    if (mixture && layer.mixture.experts > kMostExperts) return refuse("so many experts");
    if (mixture && layer.mixture.groups != 1) return refuse("groups of experts");
  }
  return {};
}

}  // namespace issun::train
