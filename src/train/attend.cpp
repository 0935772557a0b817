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

Visible visible_rows(const Pass& pass, const model::LayerConfig& layer, int64_t row) {
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
  block.keys_begin = visible_rows(pass, layer, block.sequence_row + first).begin;
  block.keys_end = visible_rows(pass, layer, block.sequence_row + first + block.count - 1).end;
  block.head = head;
  block.kv_head = head / (layer.heads / layer.kv_heads);
  return block;
}

// A matrix inside another: where it begins, and the ways down and to the right, one of which is 1.
struct Side {
  const float* data;
  int64_t row, column;
};
Side turned(const Side& side) { return {side.data, side.column, side.row}; }

struct Heads {  // of a tape: where row t of a head begins, and the way to the next
  const float* data;
  int64_t stride;
  const float* row(int64_t t) const { return data + t * stride; }
  Side from(int64_t t) const { return {row(t), stride, 1}; }
};
Heads head_of(std::span<const float> rows, int heads, int width, int head) {
  return {rows.data() + int64_t{head} * width, int64_t{heads} * width};
}

// (query rows, key rows) of a room.
Side block_in(std::span<const float> room) { return {room.data(), kKeyRows, 1}; }

// out = scale * a b, or += where `accumulate`; `depth` columns of a are as many rows of b.
void multiply(const Pass& pass, const Side& a, const Side& b, int depth, double scale,
              const Matrix<float>& out, bool accumulate, const AttentionRoom& room) {
  const kernels::SmallGemm task{.a = a.data,
                                .a_row = a.row,
                                .a_column = a.column,
                                .b = b.data,
                                .b_row = b.row,
                                .b_column = b.column,
                                .m = static_cast<int>(out.rows),
                                .n = static_cast<int>(out.columns),
                                .k = depth,
                                .out = out.data,
                                .out_stride = out.stride,
                                .scale = static_cast<float>(scale),
                                .accumulate = accumulate};
  pass.kernels.small_gemm(&task, room.scratch.data());
}

// scores (count, keys) = scale * queries . keys of [begin, begin + keys)
void make_scores(const Pass& pass, const model::LayerConfig& layer, const AttentionTape& tape,
                 const Block& block, int begin, int keys, AttentionRoom& room) {
  const Heads query = head_of(tape.query, layer.heads, layer.key_width, block.head);
  const Heads key = head_of(tape.key, layer.kv_heads, layer.key_width, block.kv_head);
  multiply(pass, query.from(block.sequence_row + block.first),
           turned(key.from(block.sequence_row + begin)), layer.key_width, layer.attention_scale,
           {room.scores.data(), block.count, keys, kKeyRows}, false, room);
}

// The part of a row of scores that its query sees.
struct Seen {
  int begin, end;
};
Seen seen_of(const Pass& pass, const model::LayerConfig& layer, const Block& block, int i,
             int begin, int keys) {
  const Visible v = visible_rows(pass, layer, block.sequence_row + block.first + i);
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
    multiply(pass, block_in(room.scores), value.from(block.sequence_row + begin), keys, 1, out,
             true, room);
  }
  for (int i = 0; i < block.count; ++i) {
    const float sum = room.sums[static_cast<size_t>(i)];
    pass.kernels.scale(out.row(i), 1 / sum, out.columns, out.row(i));
    tape.log_sums[static_cast<size_t>((row + i) * layer.heads + block.head)] =
        room.largest[static_cast<size_t>(i)] + std::log(sum);
  }
}

// scores -> probabilities, from the sums that the forward pass divided by.
void make_probabilities(const Pass& pass, int l, const Block& block, int begin, int keys,
                        AttentionRoom& room) {
  const model::LayerConfig& layer = pass.layer(l);
  const AttentionTape& tape = pass.tape(l).attention;
  make_scores(pass, layer, tape, block, begin, keys, room);
  const int64_t row = block.sequence_row + block.first;
  for (int i = 0; i < block.count; ++i) {
    float* probabilities = room.scores.data() + int64_t{i} * kKeyRows;
    const Seen seen = seen_of(pass, layer, block, i, begin, keys);
    clear_unseen(probabilities, seen, keys);
    const float log_sum = tape.log_sums[static_cast<size_t>((row + i) * layer.heads + block.head)];
    pass.kernels.exp_shifted(probabilities + seen.begin, seen.end - seen.begin, 1, log_sum,
                             probabilities + seen.begin);
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
  const Matrix<float> d_query{rooms.d_query.data() + row * query.stride + block.head * width,
                              block.count, width, query.stride};
  // Of each query: the sum over keys of probability times its gradient.
  for (int i = 0; i < block.count; ++i) {
    room.sums[static_cast<size_t>(i)] =
        k.dot(d_out.row(row + i), attended.row(row + i), value_width);
  }
  for (int begin = block.keys_begin; begin < block.keys_end; begin += kKeyRows) {
    const int keys = std::min(kKeyRows, block.keys_end - begin);
    const int64_t key_row = block.sequence_row + begin;
    const Matrix<float> d_key{rooms.d_key.data() + key_row * key.stride + block.kv_head * width,
                              keys, width, key.stride};
    const Matrix<float> d_value{
        rooms.d_value.data() + key_row * value.stride + block.kv_head * value_width, keys,
        value_width, value.stride};
    const Matrix<float> slopes{room.slopes.data(), block.count, keys, kKeyRows};
    make_probabilities(pass, l, block, begin, keys, room);
    multiply(pass, turned(block_in(room.scores)), d_out.from(row), block.count, 1, d_value, true,
             room);
    multiply(pass, d_out.from(row), turned(value.from(key_row)), value_width, 1, slopes, false,
             room);
    for (int i = 0; i < block.count; ++i) {
      k.softmax_backward(room.scores.data() + int64_t{i} * kKeyRows, slopes.row(i),
                         room.sums[static_cast<size_t>(i)], keys, slopes.row(i));
    }
    multiply(pass, block_in(room.slopes), key.from(key_row), keys, layer.attention_scale, d_query,
             begin != block.keys_begin, room);
    multiply(pass, turned(block_in(room.slopes)), query.from(row), block.count,
             layer.attention_scale, d_key, true, room);
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
