#include "train/merge.h"

#include <cmath>
#include <map>

#include "gguf/writer.h"
#include "tensor/codec.h"

namespace issun::train {

namespace {

// Matrices of the network that lie in one tensor of the file, with their adapters.
struct Target {
  std::vector<const model::Linear*> parts;
  DType type;
};

class Merge {
 public:
  Merge(const model::Model& model, const MergeOptions& options)
      : model_(model), options_(options) {}

  Result<MergeReport> write(const std::string& path) {
    TRY(find_targets());
    gguf::GgufWriter writer = TRY(gguf::GgufWriter::create(path, model_.file.alignment()));
    TRY(writer.copy(model_.file.metadata()));
    int64_t all = 0, done = 0;
    for (const Tensor& tensor : model_.file.tensors()) {
      const auto target = targets_.find(tensor.name);
      TRY(writer.add_tensor(tensor.name,
                            target == targets_.end() ? tensor.type : target->second.type,
                            gguf::without_trailing_ones(tensor.size)));
      all += tensor.rows();
    }
    for (const Tensor& tensor : model_.file.tensors()) {
      const auto target = targets_.find(tensor.name);
      if (target == targets_.end()) {
        TRY(writer.append({tensor.data, static_cast<size_t>(tensor.bytes())}));
      } else {
        TRY(append_merged(tensor, target->second, writer));
      }
      done += tensor.rows();
      if (options_.progress) options_.progress(done, all);
    }
    TRY(writer.finish());
    TRY(model_.file.still_whole());
    report_.merged = static_cast<int64_t>(targets_.size());
    report_.relative_error = squares_ == 0 ? 0 : std::sqrt(errors_ / squares_);
    return report_;
  }

 private:
  Result<void> find_targets() {
    Result<void> sound;
    // each_adaptable() hands out what may be changed; nothing is.
    const_cast<model::Weights&>(model_.weights).each_adaptable([&](model::Linear& linear) {
      if (linear.adapters.empty()) return;
      const Tensor tensor = model_.file.find(linear.weight.name);
      const DType type = options_.type.value_or(tensor.type);
      if (!can_encode(type) || tensor.columns() % facts(type).block != 0) {
        sound = fail("{}: expected a type that its rows can be written in, found {}", tensor.name,
                     name(type));
      }
      Target& target = targets_[tensor.name];
      target.type = type;
      target.parts.push_back(&linear);
    });
    TRY(sound);
    if (targets_.empty()) return fail("expected adapters to merge, found none");
    return {};
  }

  Result<void> append_merged(const Tensor& tensor, const Target& target, gguf::GgufWriter& writer) {
    const size_t columns = static_cast<size_t>(tensor.columns());
    std::vector<float> row(columns), again(columns), low(columns);
    std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(target.type, tensor.columns())));
    for (int64_t r = 0; r < tensor.rows(); ++r) {
      decode_row(tensor.type, tensor.row(r), tensor.columns(), row.data());
      for (const model::Linear* part : target.parts) {
        const int64_t own = r - (part->weight.data - tensor.data) / tensor.row_bytes();
        if (own < 0 || own >= part->weight.rows()) continue;
        for (const model::LowRank& adapter : part->adapters) add(adapter, own, low, row);
      }
      encode_row(target.type, row.data(), tensor.columns(), bytes.data());
      decode_row(target.type, bytes.data(), tensor.columns(), again.data());
      for (size_t c = 0; c < columns; ++c) {
        const double wanted = row[c], off = again[c] - wanted;
        squares_ += wanted * wanted;
        errors_ += off * off;
      }
      TRY(writer.append(bytes));
    }
    return {};
  }

  // row += scale * B[own, :] A
  static void add(const model::LowRank& adapter, int64_t own, std::vector<float>& low,
                  std::vector<float>& row) {
    std::vector<float> factors(static_cast<size_t>(adapter.a.rows()));
    decode_row(adapter.b.type, adapter.b.row(own), adapter.b.columns(), factors.data());
    for (int64_t k = 0; k < adapter.a.rows(); ++k) {
      decode_row(adapter.a.type, adapter.a.row(k), adapter.a.columns(), low.data());
      const float factor = adapter.scale * factors[static_cast<size_t>(k)];
      for (size_t c = 0; c < row.size(); ++c) row[c] += factor * low[c];
    }
  }

  const model::Model& model_;
  const MergeOptions& options_;
  std::map<std::string_view, Target> targets_;
  MergeReport report_;
  double squares_ = 0, errors_ = 0;
};

}  // namespace

Result<MergeReport> merge_adapters(const model::Model& model, const std::string& path,
                                   const MergeOptions& options) {
  return Merge(model, options).write(path);
}

}  // namespace issun::train
