#include "model/residency_layout.h"

#include <algorithm>

#include "base/sizes.h"
#include "model/each_tensor.h"

namespace issun::model {

namespace {

using experts::Piece;

// Where a tensor's bytes lie in the files.
Result<Piece> piece_of(const gguf::GgufFile& file, const Tensor& tensor) {
  const std::span<const MappedFile> parts = file.parts();
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::span<const std::byte> bytes = parts[i].bytes();
    if (tensor.data < bytes.data() || tensor.data >= bytes.data() + bytes.size()) continue;
    return Piece{static_cast<int>(i), tensor.data - bytes.data(), tensor.bytes()};
  }
  return fail("{}: expected a tensor that lies in the model's file", tensor.name);
}

bool is_mixture(const LayerWeights& layer) { return !layer.mixture.experts.empty(); }

bool has_mixtures(const Weights& weights) {
  return std::any_of(weights.layers.begin(), weights.layers.end(), is_mixture);
}

// The matrices that come and go together: visit(group, layer, unit, tensor).
template <class Visit>
void each_streamed(Weights& weights, Visit&& visit) {
  const bool mixtures = has_mixtures(weights);
  int group = 0;
  for (size_t l = 0; l < weights.layers.size(); ++l) {
    LayerWeights& layer = weights.layers[l];
    const int at = static_cast<int>(l);
    if (mixtures) {
      if (!is_mixture(layer)) continue;
      for (size_t e = 0; e < layer.mixture.experts.size(); ++e) {
        FeedForwardWeights& expert = layer.mixture.experts[e];
        for (Linear* linear : {&expert.gate, &expert.up, &expert.down}) {
          if (linear->weight) visit(group, at, static_cast<int>(e), linear->weight);
        }
      }
    } else {
      // Vectors are always there.
      each_tensor(layer, [&](Tensor& tensor) {
        if (tensor.rows() > 1) visit(group, at, 0, tensor);
      });
    }
    ++group;
  }
}

// Fills what of `layout` is about units.
Result<void> lay_out_units(Weights& weights, const gguf::GgufFile& file, ResidencyLayout& layout) {
  layout.group_of.assign(weights.layers.size(), -1);
  std::vector<std::vector<std::vector<Piece>>> pieces;
  Result<void> result;
  each_streamed(weights, [&](int group, int layer, int unit, Tensor& tensor) {
    const auto piece = piece_of(file, tensor);
    if (!piece) {
      if (result) result = tl::unexpected<Error>(piece.error());
      return;
    }
    if (group == static_cast<int>(pieces.size())) {
      pieces.emplace_back();
      layout.tensors.emplace_back();
      layout.layer_of.push_back(layer);
      layout.group_of[static_cast<size_t>(layer)] = group;
    }
    auto& units = pieces.back();
    if (unit == static_cast<int>(units.size())) {
      units.emplace_back();
      layout.tensors.back().emplace_back();
    }
    units.back().push_back(*piece);
    layout.tensors.back().back().push_back(&tensor);
  });
  TRY(result);
  for (const auto& units : pieces) {
    experts::Group group;
    for (const auto& unit : units) group.units.push_back(experts::place(unit));
    layout.groups.push_back(std::move(group));
  }
  return {};
}

Result<PinnedLayout> lay_out_pinned(Weights& weights, const gguf::GgufFile& file) {
  std::vector<const std::byte*> streamed;
  each_streamed(weights, [&](int, int, int, Tensor& tensor) { streamed.push_back(tensor.data); });
  std::sort(streamed.begin(), streamed.end());
  PinnedLayout pinned;
  std::vector<std::pair<Piece, Tensor>> pieces;
  for (const Tensor& tensor : file.tensors()) {
    const auto first = std::lower_bound(streamed.begin(), streamed.end(), tensor.data);
    if (first != streamed.end() && *first < tensor.data + tensor.bytes()) continue;
    if (tensor.bytes() == 0) continue;
    pieces.emplace_back(TRY(piece_of(file, tensor)), tensor);
  }
  std::sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.file, a.first.offset) < std::pair(b.first.file, b.first.offset);
  });
  std::vector<Piece> in_order;
  for (const auto& [piece, tensor] : pieces) {
    in_order.push_back(piece);
    pinned.tensors.push_back(tensor);
  }
  pinned.placement = experts::place(in_order);
  return pinned;
}

// What is kept free of what groups hold: reads for some tokens ahead, and a little of the whole.
int64_t passing_bytes(const ResidencyPlan& plan, const ResidencyOptions& options) {
  const int64_t guesses = options.guesses == kAsUsed ? plan.used : options.guesses;
  const int64_t units = plan.mixture ? plan.used + guesses * options.lookahead : 2;
  const int64_t share = plan.mixture ? plan.budget_bytes / 8 : 0;
  return std::min(std::max(units * plan.unit_bytes, share), plan.budget_bytes);
}

// Error: experts of other shapes than the model's.
Result<TwinLayout> lay_out_twin(const Weights& weights, const Twin& twin) {
  if (twin.weights == nullptr || !has_mixtures(weights)) {
    return fail("twin: expected a mixture of experts and a smaller file of it");
  }
  std::vector<Tensor> own;
  each_streamed(const_cast<Weights&>(weights),
                [&](int, int, int, Tensor& tensor) { own.push_back(tensor); });
  TwinLayout layout;
  each_streamed(*twin.weights,
                [&](int, int, int, Tensor& tensor) { layout.tensors.push_back(tensor); });
  bool alike = layout.tensors.size() == own.size();
  for (size_t i = 0; alike && i < own.size(); ++i) {
    alike = own[i].rows() == layout.tensors[i].rows() &&
            own[i].columns() == layout.tensors[i].columns();
  }
  if (!alike) return fail("twin: expected experts of the same shapes as those of the model");
  std::vector<Piece> pieces;
  for (const Tensor& tensor : layout.tensors) {
    layout.order.push_back(pieces.size());
    pieces.push_back(TRY(piece_of(*twin.file, tensor)));
  }
  const auto place_of = [&](size_t i) { return std::pair(pieces[i].file, pieces[i].offset); };
  std::sort(layout.order.begin(), layout.order.end(),
            [&](size_t a, size_t b) { return place_of(a) < place_of(b); });
  std::vector<Piece> in_order;
  for (const size_t i : layout.order) in_order.push_back(pieces[i]);
  layout.placement = experts::place(in_order);
  return layout;
}

}  // namespace

Result<ResidencyLayout> lay_out(Weights& weights, const gguf::GgufFile& file,
                                const ResidencyOptions& options) {
  if (file.parts().empty()) {
    return fail(
        "memory: expected a model in a file of its own, whose weights can be read as they "
        "are needed");
  }
  ResidencyLayout layout;
  TRY(lay_out_units(weights, file, layout));
  layout.pinned = TRY(lay_out_pinned(weights, file));
  if (options.missing == Missing::Twin) layout.twin = TRY(lay_out_twin(weights, options.twin));
  return layout;
}

Result<ResidencyPlan> make_plan(const ResidencyLayout& layout, const Weights& weights,
                                const ResidencyOptions& options) {
  ResidencyPlan plan;
  plan.mixture = has_mixtures(weights);
  plan.pinned_bytes = layout.pinned.placement.bytes + layout.twin.placement.bytes;
  plan.groups = static_cast<int>(layout.groups.size());
  plan.used = 1;
  for (size_t g = 0; g < layout.groups.size(); ++g) {
    const experts::Group& group = layout.groups[g];
    int64_t bytes = 0;
    for (const experts::Placement& unit : group.units) {
      bytes += unit.bytes;
      plan.unit_bytes = std::max(plan.unit_bytes, unit.bytes);
      plan.reads_per_unit = std::max(plan.reads_per_unit, static_cast<int>(unit.extents.size()));
      ++plan.units;
    }
    plan.streamed_bytes += bytes;
    double share = 1;
    if (plan.mixture) {
      share = weights.layers[static_cast<size_t>(layout.layer_of[g])].mixture.used_share;
      plan.used = std::max(plan.used,
                           static_cast<int>(share * static_cast<double>(group.units.size()) + 0.5));
    }
    plan.token_bytes += static_cast<int64_t>(share * static_cast<double>(bytes));
  }
  if (plan.mixture && options.guesses > plan.used) {
    return fail(
        "guesses: expected at most the {} experts that a token of this model uses, found {}",
        plan.used, options.guesses);
  }
  plan.budget_bytes = std::min(options.weight_bytes - plan.pinned_bytes, plan.streamed_bytes);
  if (options.weight_bytes < plan.least_bytes()) {
    return fail(
        "memory: expected at least {} for the weights of this model ({} that every token needs, "
        "the rest to read the others into), found {}",
        readable_size(plan.least_bytes()), readable_size(plan.pinned_bytes),
        readable_size(std::max<int64_t>(0, options.weight_bytes)));
  }
  plan.passing_bytes = passing_bytes(plan, options);
  return plan;
}

// As many units as a token needs of a group, that their reads may run together.
int64_t ResidencyPlan::least_bytes() const {
  return pinned_bytes + (mixture ? used : 2) * unit_bytes;
}

}  // namespace issun::model
