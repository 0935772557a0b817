#include "model/layer/mixture.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/layer/expect.h"
#include "model/layer/feed_forward.h"
#include "model/layer/pass.h"

namespace issun::model {

void MixtureRoom::plan(Plan& plan) {
  int64_t experts = 0, used = 0, length = 0, gated = 0;
  for (const LayerConfig& layer : plan.config.layers) {
    if (layer.feed_forward != FeedForwardKind::Mixture) continue;
    experts = std::max<int64_t>(experts, layer.mixture.experts);
    used = std::max<int64_t>(used, layer.mixture.used);
    length = std::max<int64_t>(length, layer.mixture.length);
    if (layer.mixture.gated) gated = length;
  }
  if (experts == 0) return;
  const int64_t tokens = plan.options.max_rows, visits = tokens * used;
  plan.layout.add(&scores, tokens * experts);
  plan.layout.add(&chosen, visits);
  plan.layout.add(&shares, visits);
  plan.layout.add(&slots, visits);
  plan.layout.add(&owners, visits);
  plan.layout.add(&visited, experts);
  plan.layout.add(&ends, experts);
  plan.layout.add(&rows, visits * plan.config.embedding_length);
  plan.layout.add(&gate, visits * gated);
  plan.layout.add(&up, visits * length);
  plan.layout.add(&shared_gate, tokens);
  if (plan.options.guesses) {
    plan.layout.add(&bias, experts);
    plan.layout.add(&ahead.rows, kMostGuessedRows * plan.config.embedding_length);
    plan.layout.add(&ahead.scores, kMostGuessedRows * experts);
    plan.layout.add(&ahead.chosen, used);
    plan.layout.add(&ahead.shares, used);
    plan.layout.add(&ahead.counts, experts);
  }
  plan.widest_input(visits, std::max<int64_t>(plan.config.embedding_length, length));
}

namespace {

// What each expert's scale makes of its share.
void scale_shares(const Tensor& scales, std::span<const int32_t> chosen, std::span<float> shares) {
  for (size_t k = 0; k < chosen.size(); ++k) shares[k] *= scales.floats()[chosen[k]];
}

Missing missing_at(const Pass& pass, int l) {
  const bool streams = pass.residency != nullptr && pass.residency->streams(l);
  return streams ? pass.residency->options().missing : Missing::Exact;
}

// Which experts each token visits, with which shares.
void route(const Pass& pass, int l, Matrix<float> in) {
  const Timed timed(pass.profile, Step::Router);
  const MixtureConfig& config = pass.layer(l).mixture;
  const MixtureWeights& weights = pass.layer_weights(l).mixture;
  const MixtureRoom& room = pass.buffers.mixture;
  const Matrix<float> scores = view(room.scores, in.rows, config.experts);
  const size_t used = static_cast<size_t>(config.used);
  const float* bias = weights.selection_bias ? weights.selection_bias.floats() : nullptr;
  const Missing missing = missing_at(pass, l);
  if (missing == Missing::Bias) {
    const std::span<float> favoured = room.bias.first(static_cast<size_t>(config.experts));
    for (size_t e = 0; e < favoured.size(); ++e) favoured[e] = bias != nullptr ? bias[e] : 0;
    pass.residency->favour(l, favoured);
    bias = favoured.data();
  }
  if (config.beside_dense) {
    const Matrix<float> normed = view(room.rows, in.rows, in.columns);
    normed_to_length_1(pass, weights.router_norm, in, normed);
    in = normed;
  }
  pass.project(in, {{weights.router, scores}});
  pass.each_row(in.rows, [&](int64_t t) {
    const std::span<int32_t> chosen = room.chosen.subspan(static_cast<size_t>(t) * used, used);
    const std::span<float> shares = room.shares.subspan(static_cast<size_t>(t) * used, used);
    choose_experts(config, bias, {scores.row(t), static_cast<size_t>(config.experts)}, chosen,
                   shares);
    if (weights.scales) scale_shares(weights.scales, chosen, shares);
    if (missing == Missing::Skip) pass.residency->leave_out(l, chosen, shares);
  });
  if (pass.routing != nullptr) {
    pass.routing->routed(l, config.used, room.chosen.first(static_cast<size_t>(in.rows) * used));
  }
}

// Slots that lie together are a run: visit(first, end) for those of some experts, which ascend.
template <class Visit>
void each_run(std::span<const int> experts, std::span<const int64_t> ends, Visit&& visit) {
  int64_t first = 0, end = 0;
  for (const int e : experts) {
    const int64_t own = e == 0 ? 0 : ends[static_cast<size_t>(e) - 1];
    if (own != end) {
      if (end > first) visit(first, end);
      first = own;
    }
    end = ends[static_cast<size_t>(e)];
  }
  if (end > first) visit(first, end);
}

// (slots, columns) -> (slots, rows of a matrix), the slots of some experts, each by the matrix of
// its expert.
struct ExpertProduct {
  Linear FeedForwardWeights::*linear;
  Matrix<float> out;
};
void multiply(const Pass& pass, const MixtureWeights& weights, std::span<const int> experts,
              const Matrix<float>& in, std::initializer_list<ExpertProduct> products) {
  using kernels::ActivationForm;
  const std::span<const int64_t> ends = pass.buffers.mixture.ends;
  // The kernels are those of the whole batch, so that a token's bits are the same in whichever
  // company it visits an expert.
  const int64_t company = pass.company(pass.rows());
  kernels::Product some[kernels::kMostProducts];
  size_t count = 0;
  kernels::Activations activations = pass.activations(in);
  const auto compute = [&] {
    if (count == 0) return;
    const Timed timed = Timed::product(pass.profile);
    kernels::linear(pass.kernels, pass.workers, pass.scratch, activations,
                    std::span(some).first(count), pass.exact, company);
    count = 0;
  };
  const auto matrix_of = [&](int e, const ExpertProduct& product) -> const Tensor& {
    return (weights.experts[static_cast<size_t>(e)].*product.linear).weight;
  };
  // There is room for one form beside floats: matrices that want bf16 come after the others.
  for (const bool brains : {false, true}) {
    activations.form = ActivationForm::Floats;
    for (const int e : experts) {
      const int64_t begin = e == 0 ? 0 : ends[static_cast<size_t>(e) - 1];
      const int64_t rows = ends[static_cast<size_t>(e)] - begin;
      for (const ExpertProduct& product : products) {
        const Tensor& matrix = matrix_of(e, product);
        const auto form = kernels::form_for(pass.kernels, matrix.type, pass.exact, company);
        if ((form == ActivationForm::Brains) != brains) continue;
        if (form != ActivationForm::Floats && form != activations.form) {
          each_run(experts, ends, [&](int64_t first, int64_t end) {
            const Timed timed(pass.profile, Step::Rounding);
            kernels::prepare_rows(pass.kernels, pass.workers, form, activations, first, end);
          });
          activations.form = form;
        }
        if (pass.observer != nullptr) {
          pass.observer->see(matrix, e, {in.row(begin), rows, in.columns, in.stride});
        }
        some[count++] = {matrix, {product.out.row(begin), rows, product.out.columns}, begin};
        if (count == kernels::kMostProducts) compute();
      }
    }
    compute();
  }
}

void add_bias(const kernels::KernelTable& kernels, const Linear& linear, const Matrix<float>& rows,
              int64_t slot) {
  if (!linear.bias) return;
  kernels.add(rows.row(slot), linear.bias.floats(), rows.columns, rows.row(slot));
}

// Adds the expert that is always used to `out`.
void add_shared(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const MixtureWeights& weights = pass.layer_weights(l).mixture;
  const MixtureRoom& room = pass.buffers.mixture;
  const Matrix<float> shared = view(room.rows, in.rows, in.columns);
  const Matrix<float> gate = view(room.shared_gate, in.rows, 1);
  feed_forward(pass, weights.shared, pass.layer(l).activation, in, shared);
  const bool gated = static_cast<bool>(weights.shared_gate.weight);
  if (gated) pass.project(in, {{weights.shared_gate, gate}});
  pass.each_row(in.rows, [&](int64_t t) {
    const float share = gated ? 1 / (1 + std::exp(-*gate.row(t))) : 1;
    if (weights.after_shared) {
      pass.norm_row(weights.after_shared, shared.row(t), shared.columns, shared.row(t));
    }
    pass.kernels.add_scaled(shared.row(t), share, in.columns, out.row(t));
  });
}

}  // namespace

void normed_to_length_1(const Pass& pass, const Norm& gains, const Matrix<float>& in,
                        const Matrix<float>& out) {
  const float factor = 1 / std::sqrt(static_cast<float>(in.columns));
  pass.each_row(in.rows, [&](int64_t t) {
    pass.norm_row(gains, in.row(t), in.columns, out.row(t));
    pass.kernels.scale(out.row(t), factor, in.columns, out.row(t));
  });
}

void assign_slots(std::span<const int32_t> chosen, std::span<int64_t> ends,
                  std::span<int32_t> slots) {
  std::fill(ends.begin(), ends.end(), 0);
  for (const int32_t expert : chosen) ++ends[static_cast<size_t>(expert)];
  int64_t begin = 0;
  for (int64_t& count : ends) begin += std::exchange(count, begin);
  for (size_t v = 0; v < chosen.size(); ++v) {
    slots[v] = static_cast<int32_t>(ends[static_cast<size_t>(chosen[v])]++);
  }
}

namespace {

// The experts that have visits, ascending.
std::span<const int> visited_experts(const MixtureRoom& room, size_t experts) {
  size_t count = 0;
  for (size_t e = 0; e < experts; ++e) {
    const int64_t begin = e == 0 ? 0 : room.ends[e - 1];
    if (room.ends[e] == begin) continue;
    room.visited[count++] = static_cast<int>(e);
    for (int64_t slot = begin; slot < room.ends[e]; ++slot)
      room.owners[static_cast<size_t>(slot)] = static_cast<int32_t>(e);
  }
  return room.visited.first(count);
}

// What the slots of some experts make of their rows, in the place of the rows.
void visit_experts(const Pass& pass, int l, std::span<const int> experts,
                   const Matrix<float>& rows) {
  const LayerConfig& layer = pass.layer(l);
  const MixtureWeights& weights = pass.layer_weights(l).mixture;
  const MixtureRoom& room = pass.buffers.mixture;
  const Matrix<float> up = view(room.up, rows.rows, layer.mixture.length);
  const bool gated = layer.mixture.gated;
  const Matrix<float> gate = gated ? view(room.gate, rows.rows, layer.mixture.length) : up;
  const auto expert = [&](int64_t slot) -> const FeedForwardWeights& {
    return weights.experts[static_cast<size_t>(room.owners[static_cast<size_t>(slot)])];
  };
  if (gated) {
    multiply(pass, weights, experts, rows,
             {{&FeedForwardWeights::gate, gate}, {&FeedForwardWeights::up, up}});
  } else {
    multiply(pass, weights, experts, rows, {{&FeedForwardWeights::up, up}});
  }
  each_run(experts, room.ends, [&](int64_t first, int64_t end) {
    pass.each_row(end - first, [&](int64_t i) {
      const int64_t slot = first + i;
      if (gated) add_bias(pass.kernels, expert(slot).gate, gate, slot);
      add_bias(pass.kernels, expert(slot).up, up, slot);
      activate(pass.kernels, layer.activation, gate.columns, gate.row(slot),
               gated ? up.row(slot) : nullptr);
    });
  });
  multiply(pass, weights, experts, gate, {{&FeedForwardWeights::down, rows}});
  each_run(experts, room.ends, [&](int64_t first, int64_t end) {
    pass.each_row(end - first, [&](int64_t i) {
      add_bias(pass.kernels, expert(first + i).down, rows, first + i);
    });
  });
}

std::span<const int> next_experts(const Pass& pass) {
  const Timed timed(pass.profile, Step::Waiting);
  return pass.residency->next();
}

}  // namespace

void mixture(const Pass& pass, int l, const Matrix<float>& in, const Matrix<float>& out) {
  const LayerConfig& layer = pass.layer(l);
  const MixtureWeights& weights = pass.layer_weights(l).mixture;
  const MixtureRoom& room = pass.buffers.mixture;
  const int64_t used = layer.mixture.used, visits = in.rows * used;
  const bool beside = layer.mixture.beside_dense;
  const Matrix<float> read = beside ? view(pass.buffers.residual, in.rows, in.columns) : in;
  route(pass, l, read);
  assign_slots(room.chosen.first(static_cast<size_t>(visits)),
               room.ends.first(weights.experts.size()), room.slots);
  const std::span<const int> experts = visited_experts(room, weights.experts.size());
  const bool streams = pass.residency != nullptr && pass.residency->streams(l);
  if (streams) {
    need_experts(pass, l, experts);
  }
  guess_ahead(pass, l);

  const Matrix<float> rows = view(room.rows, visits, in.columns);
  pass.each_row(visits, [&](int64_t v) {
    float* row = rows.row(room.slots[static_cast<size_t>(v)]);
    if (beside) {
      pass.norm_row(weights.before_experts, read.row(v / used), read.columns, row);
    } else {
      std::memcpy(row, read.row(v / used), static_cast<size_t>(read.columns) * sizeof(float));
    }
  });
  if (streams) {
    // Those that are in memory first, then as they come: what each makes of its rows does not
    // depend on the order.
    for (auto some = next_experts(pass); !some.empty(); some = next_experts(pass))
      visit_experts(pass, l, some, rows);
  } else {
    visit_experts(pass, l, experts, rows);
  }
  pass.each_row(in.rows, [&](int64_t t) {
    std::memset(out.row(t), 0, static_cast<size_t>(out.columns) * sizeof(float));
    for (int64_t v = t * used; v < (t + 1) * used; ++v) {
      pass.kernels.add_scaled(rows.row(room.slots[static_cast<size_t>(v)]),
                              room.shares[static_cast<size_t>(v)], out.columns, out.row(t));
    }
    if (beside) pass.norm_row(weights.after_experts, out.row(t), out.columns, out.row(t));
  });
  if (layer.mixture.shared_length != 0) add_shared(pass, l, in, out);
}

}  // namespace issun::model
