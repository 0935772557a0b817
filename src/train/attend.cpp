#include "train/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace issun::train {

namespace {

// Scores of so many queries and keys are made at a time: 64 KiB of them, beside as many gradients.
constexpr int kQueryRows = 64, kKeyRows = 256;

struct Visible {
  int begin, end;  // rows of the sequence
};

Visible visible(const Pass& pass, const model::LayerConfig& layer, int64_t row) {
  const int t = static_cast<int>(row % pass.batch.length);
  const int begin = pass.batch.visible_begin[static_cast<size_t>(row)];
  if (pass.config.causal) {
    return {layer.window == 0 ? begin : std::max(begin, t - layer.window + 1), t + 1};
  }
  const int end = pass.rooms.segment_end[static_cast<size_t>(row)];
  if (layer.window == 0) return {begin, end};
  return {std::max(begin, t - layer.window / 2), std::min(end, t + layer.window / 2 + 1)};
}

// Queries [first, first + count) of one head of one sequence, and the keys that they meet.
struct Block {
  int64_t sequence_row;  // of the batch
  int first, count;
  int keys_begin, keys_end;  // rows of the sequence
  int head, kv_head;
};

Block block_of(const Pass& pass, const model::LayerConfig& layer, int64_t sequence, int head,
               int first) {
  Block block;
  block.sequence_row = sequence * pass.batch.length;
  block.first = first;
  block.count = std::min(kQueryRows, pass.batch.length - first);
  block.keys_begin = visible(pass, layer, block.sequence_row + first).begin;
  block.keys_end = visible(pass, layer, block.sequence_row + first + block.count - 1).end;
  block.head = head;
  block.kv_head = head / (layer.heads / layer.kv_heads);
  return block;
}

struct Heads {  // of a tape: where row t of a head begins, and the way to the next
  const float* data;
  int64_t stride;
  const float* row(int64_t t) const { return data + t * stride; }
};
Heads head_of(std::span<const float> rows, int heads, int width, int head) {
  return {rows.data() + int64_t{head} * width, int64_t{heads} * width};
}

// scores (count, keys) = scale * queries . keys of [begin, begin + keys)
void make_scores(const Pass& pass, const model::LayerConfig& layer, const AttentionTape& tape,
                 const Block& block, int begin, int keys, AttentionRoom& room) {
  const Heads query = head_of(tape.query, layer.heads, layer.key_width, block.head);
  const Heads key = head_of(tape.key, layer.kv_heads, layer.key_width, block.kv_head);
  const kernels::SmallGemm task{.a = query.row(block.sequence_row + block.first),
                                .a_row = query.stride,
                                .a_column = 1,
                                .b = key.row(block.sequence_row + begin),
                                .b_row = 1,
                                .b_column = key.stride,
                                .m = block.count,
                                .n = keys,
                                .k = layer.key_width,
                                .out = room.scores.data(),
                                .out_stride = kKeyRows,
                                .scale = static_cast<float>(layer.attention_scale),
                                .accumulate = false};
  pass.kernels.small_gemm(&task, room.scratch.data());
}

// The part of a row of scores that its query sees.
struct Seen {
  int begin, end;
};
Seen seen_of(const Pass& pass, const model::LayerConfig& layer, const Block& block, int i,
             int begin, int keys) {
  const Visible v = visible(pass, layer, block.sequence_row + block.first + i);
  const int first = std::clamp(v.begin - begin, 0, keys);
  return {first, std::clamp(v.end - begin, first, keys)};
}

void clear_unseen(float* row, Seen seen, int keys) {
  std::fill(row, row + seen.begin, 0.0f);
  std::fill(row + seen.end, row + keys, 0.0f);
}

// scores -> exp(scores - the largest so far); what was summed before shrinks if that has grown.
void take_exponents(const Pass& pass, const model::LayerConfig& layer, const Block& block,
                    int begin, int keys, const Matrix<float>& out, AttentionRoom& room) {
  for (int i = 0; i < block.count; ++i) {
    float* row = room.scores.data() + int64_t{i} * kKeyRows;
    const Seen seen = seen_of(pass, layer, block, i, begin, keys);
    clear_unseen(row, seen, keys);
    if (seen.begin == seen.end) continue;
    float* const scores = row + seen.begin;
    const int n = seen.end - seen.begin;
    float& largest = room.largest[static_cast<size_t>(i)];
    float& sum = room.sums[static_cast<size_t>(i)];
    const float here = scores[pass.kernels.argmax(scores, n)];
    if (here > largest) {
      const float shrunk = std::exp(largest - here);
      sum *= shrunk;
      pass.kernels.scale(out.row(i), shrunk, out.columns, out.row(i));
      largest = here;
    }
    pass.kernels.exp_shifted(scores, n, 1, largest, scores);
    sum += pass.kernels.dot(scores, room.ones.data(), n);
  }
}

void attend_block(const Pass& pass, int l, const Block& block, AttentionRoom& room) {
  const model::LayerConfig& layer = pass.layer(l);
  const AttentionTape& tape = pass.tape(l).attention;
  const int64_t row = block.sequence_row + block.first;
  const int64_t stride = int64_t{layer.heads} * layer.value_width;
  const Matrix<float> out{tape.attended.data() + row * stride + block.head * layer.value_width,
                          block.count, layer.value_width, stride};
  const Heads value = head_of(tape.value, layer.kv_heads, layer.value_width, block.kv_head);
  for (int i = 0; i < block.count; ++i) {
    std::memset(out.row(i), 0, static_cast<size_t>(out.columns) * sizeof(float));
    room.largest[static_cast<size_t>(i)] = -INFINITY;
    room.sums[static_cast<size_t>(i)] = 0;
  }
  for (int begin = block.keys_begin; begin < block.keys_end; begin += kKeyRows) {
    const int keys = std::min(kKeyRows, block.keys_end - begin);
    make_scores(pass, layer, tape, block, begin, keys, room);
    take_exponents(pass, layer, block, begin, keys, out, room);
    const kernels::SmallGemm task{.a = room.scores.data(),
                                  .a_row = kKeyRows,
                                  .a_column = 1,
                                  .b = value.row(block.sequence_row + begin),
                                  .b_row = value.stride,
                                  .b_column = 1,
                                  .m = block.count,
                                  .n = layer.value_width,
                                  .k = keys,
                                  .out = out.data,
                                  .out_stride = out.stride,
                                  .scale = 1,
                                  .accumulate = true};
    pass.kernels.small_gemm(&task, room.scratch.data());
  }
  for (int i = 0; i < block.count; ++i) {
    const float sum = room.sums[static_cast<size_t>(i)];
    pass.kernels.scale(out.row(i), 1 / sum, out.columns, out.row(i));
    tape.log_sums[static_cast<size_t>((row + i) * layer.heads + block.head)] =
        room.largest[static_cast<size_t>(i)] + std::log(sum);
  }
}

// The gradients of one block of queries, and what it adds to those of its keys and values.
void attend_block_back(const Pass& pass, int l, const Block& block, AttentionRoom& room) {
  const model::LayerConfig& layer = pass.layer(l);
  const AttentionTape& tape = pass.tape(l).attention;
  const Rooms& rooms = pass.rooms;
  const kernels::KernelTable& k = pass.kernels;
  const int64_t row = block.sequence_row + block.first;
  const int width = layer.key_width, value_width = layer.value_width;
  const Heads query = head_of(tape.query, layer.heads, width, block.head);
  const Heads key = head_of(tape.key, layer.kv_heads, width, block.kv_head);
  const Heads value = head_of(tape.value, layer.kv_heads, value_width, block.kv_head);
  const Heads attended = head_of(tape.attended, layer.heads, value_width, block.head);
  const Heads d_out = head_of(rooms.d_attended, layer.heads, value_width, block.head);
  float* const d_query = rooms.d_query.data() + row * query.stride + block.head * width;
  float* const d_key = rooms.d_key.data() + block.kv_head * width;
  float* const d_value = rooms.d_value.data() + block.kv_head * value_width;
  const float scale = static_cast<float>(layer.attention_scale);
  // Of each query: the sum over keys of probability times its gradient.
  for (int i = 0; i < block.count; ++i) {
    room.sums[static_cast<size_t>(i)] =
        k.dot(d_out.row(row + i), attended.row(row + i), value_width);
  }
  for (int begin = block.keys_begin; begin < block.keys_end; begin += kKeyRows) {
    const int keys = std::min(kKeyRows, block.keys_end - begin);
    const int64_t key_row = block.sequence_row + begin;
    make_scores(pass, layer, tape, block, begin, keys, room);
    for (int i = 0; i < block.count; ++i) {
      float* probabilities = room.scores.data() + int64_t{i} * kKeyRows;
      const Seen seen = seen_of(pass, layer, block, i, begin, keys);
      clear_unseen(probabilities, seen, keys);
      const float log_sum =
          tape.log_sums[static_cast<size_t>((row + i) * layer.heads + block.head)];
      k.exp_shifted(probabilities + seen.begin, seen.end - seen.begin, 1, log_sum,
                    probabilities + seen.begin);
    }
    kernels::SmallGemm task{};
    // d_value += probabilities^T d_out
    task = {.a = room.scores.data(),
            .a_row = 1,
            .a_column = kKeyRows,
            .b = d_out.row(row),
            .b_row = d_out.stride,
            .b_column = 1,
            .m = keys,
            .n = value_width,
            .k = block.count,
            .out = d_value + key_row * value.stride,
            .out_stride = value.stride,
            .scale = 1,
            .accumulate = true};
    k.small_gemm(&task, room.scratch.data());
    // slopes = d_out values^T, then probabilities * (slopes - sums)
    task = {.a = d_out.row(row),
            .a_row = d_out.stride,
            .a_column = 1,
            .b = value.row(key_row),
            .b_row = 1,
            .b_column = value.stride,
            .m = block.count,
            .n = keys,
            .k = value_width,
            .out = room.slopes.data(),
            .out_stride = kKeyRows,
            .scale = 1,
            .accumulate = false};
    k.small_gemm(&task, room.scratch.data());
    for (int i = 0; i < block.count; ++i) {
      k.softmax_backward(
          room.scores.data() + int64_t{i} * kKeyRows, room.slopes.data() + int64_t{i} * kKeyRows,
          room.sums[static_cast<size_t>(i)], keys, room.slopes.data() + int64_t{i} * kKeyRows);
    }
    // d_query += scale * slopes keys; d_key += scale * slopes^T queries
    task = {.a = room.slopes.data(),
            .a_row = kKeyRows,
            .a_column = 1,
            .b = key.row(key_row),
            .b_row = key.stride,
            .b_column = 1,
            .m = block.count,
            .n = width,
            .k = keys,
            .out = d_query,
            .out_stride = query.stride,
            .scale = scale,
            .accumulate = begin != block.keys_begin};
    k.small_gemm(&task, room.scratch.data());
    task = {.a = room.slopes.data(),
            .a_row = 1,
            .a_column = kKeyRows,
            .b = query.row(row),
            .b_row = query.stride,
            .b_column = 1,
            .m = keys,
            .n = width,
            .k = block.count,
            .out = d_key + key_row * key.stride,
            .out_stride = key.stride,
            .scale = scale,
            .accumulate = true};
    k.small_gemm(&task, room.scratch.data());
  }
}

}  // namespace

void attend(const Pass& pass, int l) {
  const model::LayerConfig& layer = pass.layer(l);
  const int64_t blocks = (pass.batch.length + kQueryRows - 1) / kQueryRows;
  const int64_t tasks = pass.batch.sequences * layer.heads * blocks;
  pass.workers.for_each(tasks, 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t task = begin; task < end; ++task) {
      // The last blocks of a sequence see most: they go first.
      const int first = static_cast<int>(blocks - 1 - task % blocks) * kQueryRows;
      const int64_t rest = task / blocks;
      const Block block =
          block_of(pass, layer, rest / layer.heads, static_cast<int>(rest % layer.heads), first);
      attend_block(pass, l, block, pass.rooms.attention[static_cast<size_t>(worker)]);
    }
  });
}

// A sequence's head of keys and values belongs to one worker, which visits its queries in order:
// sums do not depend on how many workers there are.
void attend_back(const Pass& pass, int l) {
  const model::LayerConfig& layer = pass.layer(l);
  const int group = layer.heads / layer.kv_heads;
  const int64_t tasks = int64_t{pass.batch.sequences} * layer.kv_heads;
  pass.workers.for_each(tasks, 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t sequence = task / layer.kv_heads;
      const int kv_head = static_cast<int>(task % layer.kv_heads);
      for (int g = 0; g < group; ++g) {
        for (int first = 0; first < pass.batch.length; first += kQueryRows) {
          const Block block = block_of(pass, layer, sequence, kv_head * group + g, first);
          attend_block_back(pass, l, block, pass.rooms.attention[static_cast<size_t>(worker)]);
        }
      }
    }
  });
}

void plan_attention_room(model::Layout& layout, AttentionRoom& room) {
  layout.add(&room.scores, kQueryRows * kKeyRows);
  layout.add(&room.slopes, kQueryRows * kKeyRows);
  layout.add(&room.largest, kQueryRows);
  layout.add(&room.sums, kQueryRows);
  layout.add(&room.ones, kKeyRows);
  layout.add(&room.scratch, kernels::kScratchBytes);
}

}  // namespace issun::train
