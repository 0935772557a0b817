#include "gguf/pack.h"

#include <algorithm>
#include <map>

#include "base/memory.h"
#include "base/pages.h"
#include "gguf/expert_names.h"
#include "gguf/writer.h"

namespace issun::gguf {

namespace {

constexpr int64_t kChunkBytes = 8 << 20;  // read and forgotten at a time
constexpr int64_t kMostExperts = 1 << 16;

// A tensor to be written, out of one of the source or several.
struct Piece {
  std::string name;
  DType type = DType::F32;
  std::array<int64_t, 4> size{1, 1, 1, 1};
  std::vector<std::span<const std::byte>> parts;
  int64_t bytes() const {
    int64_t sum = 0;
    for (const std::span<const std::byte> part : parts) sum += std::ssize(part);
    return sum;
  }
};

std::span<const std::byte> bytes_of(const Tensor& tensor) {
  return {tensor.data, static_cast<size_t>(tensor.bytes())};
}

Piece whole(const Tensor& tensor) {
  return {std::string(tensor.name), tensor.type, tensor.size, {bytes_of(tensor)}};
}

// The matrices of one expert, or of one layer's experts, in the order of kExpertParts.
using Parts = std::map<size_t, Tensor>;
// By expert; kAll: stacks.
using Layer = std::map<int, Parts>;

struct Experts {
  std::vector<Tensor> others;  // in the order of the file
  std::map<int, Layer> layers;

  explicit Experts(const GgufFile& file) {
    for (const Tensor& tensor : file.tensors()) {
      const std::optional<ExpertName> name = expert_name(tensor.name);
      if (!name) {
        others.push_back(tensor);
        continue;
      }
      const auto part = std::find(std::begin(kExpertParts), std::end(kExpertParts), name->part);
      layers[name->layer][name->expert].emplace(part - std::begin(kExpertParts), tensor);
    }
  }
};

// The layer with a tensor for each expert's matrix, views of the same bytes.
Result<Layer> taken_apart(const Layer& layer) {
  Layer apart;
  int64_t count = -1;
  std::string_view first;
  for (const auto& [expert, parts] : layer) {  // stacks first
    for (const auto& [part, tensor] : parts) {
      if (expert != ExpertName::kAll) {
        if (!apart[expert].emplace(part, tensor).second) {
          return fail("{}: expected its experts in one form, found {} beside it",
                      expert_name(tensor.name)->in_stack(), tensor.name);
        }
        continue;
      }
      if (tensor.size[2] > kMostExperts || tensor.size[3] != 1) {
        return fail("{}: expected a stack of at most {} matrices, found {}", tensor.name,
                    kMostExperts, tensor.rows() / tensor.size[1]);
      }
      if (count < 0) first = tensor.name;
      if (count >= 0 && tensor.size[2] != count) {
        return fail("{}: expected {} experts, as {} has, found {}", tensor.name, count, first,
                    tensor.size[2]);
      }
      count = tensor.size[2];
      Tensor one = tensor;
      one.size[2] = 1;
      for (int e = 0; e < count; ++e) {
        one.data = tensor.row(e * tensor.size[1]);
        apart[e].emplace(part, one);
      }
    }
  }
  return apart;
}

// How many experts the file says its layers have; 0 where it does not say, or not for all at once.
size_t told_experts(const Metadata& keys) {
  const auto architecture = keys.get<std::string_view>("general.architecture");
  if (!architecture || !*architecture) return 0;
  const auto count = keys.get<int64_t>(std::string(**architecture) + ".expert_count");
  return count && *count && **count > 0 ? static_cast<size_t>(**count) : 0;
}

// One piece for each matrix of the layer's experts, stacked: of `told` of them at least.
Result<void> stack(const Layer& layer, size_t told, std::vector<Piece>* pieces) {
  std::map<size_t, std::vector<const Tensor*>> stacks;
  for (const auto& [expert, parts] : layer) {
    if (expert == ExpertName::kAll) continue;
    for (const auto& [part, tensor] : parts) {
      std::vector<const Tensor*>& matrices = stacks[part];
      const ExpertName name = *expert_name(tensor.name);
      if (name.expert != std::ssize(matrices)) {
        return fail("{}: expected this tensor, found none",
                    name.alone(static_cast<int>(matrices.size())));
      }
      const Tensor& first = matrices.empty() ? tensor : *matrices[0];
      if (tensor.type != first.type) {
        return fail(
            "{}: expected {}, as {} has, found {}: a stack is of one type, so experts of several "
            "stay packed",
            tensor.name, issun::name(first.type), first.name, issun::name(tensor.type));
      }
      if (tensor.size != first.size || tensor.rows() != tensor.size[1]) {
        return fail("{}: expected a matrix of {} rows of {}, as {} is", tensor.name, first.size[1],
                    first.size[0], first.name);
      }
      matrices.push_back(&tensor);
    }
  }
  for (const auto& [part, matrices] : stacks) told = std::max(told, matrices.size());
  for (const auto& [part, matrices] : stacks) {
    const ExpertName name = *expert_name(matrices[0]->name);
    if (matrices.size() < told) {
      return fail("{}: expected this tensor, found none",
                  name.alone(static_cast<int>(matrices.size())));
    }
    Piece piece = whole(*matrices[0]);
    piece.name = name.in_stack();
    piece.size[2] = std::ssize(matrices);
    piece.parts.clear();
    for (const Tensor* matrix : matrices) piece.parts.push_back(bytes_of(*matrix));
    pieces->push_back(std::move(piece));
  }
  return {};
}

// Where bytes of one expert begin and end.
struct Extent {
  int64_t begin, end;
};

// What one expert adds to the layout of a file in which tensors lie at multiples of `alignment`.
void count_expert(std::vector<Extent> extents, int64_t alignment, ExpertLayout* layout) {
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  int64_t reads = 0, bytes = 0, end = 0;
  for (const Extent& extent : extents) {
    const bool follows = reads > 0 && extent.begin - end < alignment;
    bytes += extent.end - (follows ? end : extent.begin);
    if (!follows) ++reads;
    end = extent.end;
  }
  ++layout->experts;
  layout->reads = std::max(layout->reads, reads);
  layout->expert_bytes = std::max(layout->expert_bytes, bytes);
}

Result<int64_t> write(const GgufFile& source, const std::vector<Piece>& pieces, int64_t alignment,
                      const std::string& path, const PackOptions& options) {
  GgufWriter writer = TRY(GgufWriter::create(path, alignment));
  TRY(writer.copy(source.metadata()));
  int64_t all = 0, done = 0;
  for (const Piece& piece : pieces) {
    TRY(writer.add_tensor(piece.name, piece.type, without_trailing_ones(piece.size)));
    all += piece.bytes();
  }
  for (const Piece& piece : pieces) {
    for (std::span<const std::byte> rest : piece.parts) {
      while (!rest.empty()) {
        const auto chunk = rest.first(std::min(rest.size(), static_cast<size_t>(kChunkBytes)));
        TRY(writer.append(chunk));
        forget_pages(chunk);
        rest = rest.subspan(chunk.size());
        done += std::ssize(chunk);
        if (options.progress) options.progress(done, all);
      }
    }
  }
  TRY(source.still_whole());
  TRY(writer.finish());
  return all;
}

Result<PackReport> write_and_look(const GgufFile& source, const std::vector<Piece>& pieces,
                                  int64_t alignment, const std::string& path,
                                  const PackOptions& options) {
  PackReport report;
  report.before = expert_layout(source);
  report.tensors = std::ssize(pieces);
  report.bytes = TRY(write(source, pieces, alignment, path, options));
  report.after = expert_layout(TRY(GgufFile::open(path)));
  return report;
}

}  // namespace

ExpertLayout expert_layout(const GgufFile& file) {
  ExpertLayout layout;
  for (const Tensor& tensor : file.tensors())
    layout.padding_bytes += round_up(tensor.bytes(), file.alignment()) - tensor.bytes();
  for (const auto& [number, layer] : Experts(file).layers) {
    const Result<Layer> apart = taken_apart(layer);
    if (!apart) continue;
    ++layout.layers;
    for (const auto& [expert, parts] : *apart) {
      std::vector<Extent> extents;
      for (const auto& [part, tensor] : parts) {
        const auto begin = reinterpret_cast<intptr_t>(tensor.data);
        extents.push_back({begin, begin + tensor.bytes()});
      }
      count_expert(std::move(extents), file.alignment(), &layout);
    }
  }
  return layout;
}

Result<PackReport> pack_experts(const GgufFile& source, const std::string& path,
                                const PackOptions& options) {
  const Experts experts(source);
  if (experts.layers.empty()) {
    return fail("{}: expected a mixture of experts, found no tensor blk.N.ffn_*_exps.weight",
                source.parts().empty() ? path : source.parts()[0].path());
  }
  std::vector<Piece> pieces;
  for (const Tensor& tensor : experts.others) pieces.push_back(whole(tensor));
  for (const auto& [number, layer] : experts.layers) {
    for (const auto& [expert, parts] : TRY(taken_apart(layer))) {
      for (const auto& [part, tensor] : parts) {
        pieces.push_back(whole(tensor));
        pieces.back().name = expert_name(tensor.name)->alone(expert);
      }
    }
  }
  return write_and_look(source, pieces, kPackedAlignment, path, options);
}

Result<PackReport> unpack_experts(const GgufFile& source, const std::string& path,
                                  const PackOptions& options) {
  const Experts experts(source);
  std::vector<Piece> pieces;
  for (const Tensor& tensor : experts.others) pieces.push_back(whole(tensor));
  bool packed = false;
  for (const auto& [number, layer] : experts.layers) {
    packed = packed || layer.rbegin()->first != ExpertName::kAll;
    if (const auto stacks = layer.find(ExpertName::kAll); stacks != layer.end()) {
      for (const auto& [part, tensor] : stacks->second) pieces.push_back(whole(tensor));
    }
    TRY(stack(layer, told_experts(source.metadata()), &pieces));
  }
  if (!packed) {
    return fail("{}: expected experts in tensors of their own, as pack writes them, found none",
                source.parts().empty() ? path : source.parts()[0].path());
  }
  return write_and_look(source, pieces, kDefaultAlignment, path, options);
}

}  // namespace issun::gguf
