// A network that needs no weights, for testing all that stands above the model. Its next token is a
// fixed function of the token before it and of its position, so every answer is known beforehand;
// it reads the past through the cache as a real one does, from its pages or, if it has one, from
// its state, and so notices a cache that holds something else.
#pragma once

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "model/decoder.h"

namespace issun::model {

class FakeDecoder final : public Decoder {
 public:
  FakeDecoder(int vocabulary, int max_rows, int max_sequences)
      : vocabulary_(vocabulary),
        max_rows_(max_rows),
        max_sequences_(max_sequences),
        logits_(static_cast<size_t>(vocabulary) * static_cast<size_t>(max_sequences)) {}

  // The cache it needs: one float a position.
  static cache::KvShape kv_shape() {
    cache::KvShape shape;
    shape.layers = {{1, 1, 1}};
    shape.key_type = shape.value_type = DType::F32;
    return shape;
  }
  // Of one that has a state of one float and reads nothing else.
  static cache::KvShape recurrent_shape() {
    cache::KvShape shape = kv_shape();
    shape.states = {{0, 1}};
    return shape;
  }
  // What follows `history`: depends on all of it.
  static int32_t next(std::span<const int32_t> history, int vocabulary) {
    uint64_t sum = 0;
    for (size_t i = 0; i < history.size(); ++i) sum += static_cast<uint64_t>(history[i]) * (i + 1);
    return from_sum(sum, vocabulary);
  }

  int vocabulary_size() const override { return vocabulary_; }
  int max_rows() const override { return max_rows_; }
  int max_sequences() const override { return max_sequences_; }
  int max_outputs() const override { return max_sequences_; }
  int64_t context() const override { return int64_t{1} << 20; }
  int runs() const { return runs_; }
  int rows_run() const { return rows_run_; }

  Matrix<const float> run(const Batch& batch, cache::PagedKv& cache) override {
    CHECK_THAT(static_cast<int>(batch.tokens.size()) <= max_rows_);
    ++runs_;
    rows_run_ += static_cast<int>(batch.tokens.size());
    std::fill(logits_.begin(), logits_.end(), 0.0f);
    int32_t row = 0, output = 0;
    for (const SequenceRows& sequence : batch.sequences) {
      const cache::PageTable& table = *sequence.table;
      const auto place = [&](int position) {
        return reinterpret_cast<float*>(
            cache.key_row(0, 0, table.pages[static_cast<size_t>(position / cache::kPageTokens)],
                          position % cache::kPageTokens));
      };
      for (int i = 0; i < sequence.rows; ++i, ++row) {
        const int position = table.length - sequence.rows + i;
        const int32_t token = batch.tokens[static_cast<size_t>(row)];
        *place(position) = static_cast<float>(token);
        float* state = cache.has_states() ? cache.states().memory(0, table.state) : nullptr;
        if (state != nullptr) *state += static_cast<float>(token * (position + 1));
        if (output == static_cast<int32_t>(batch.outputs.size()) ||
            batch.outputs[static_cast<size_t>(output)] != row) {
          continue;
        }
        std::vector<int32_t> past;
        for (int p = 0; p <= position; ++p) past.push_back(static_cast<int32_t>(*place(p)));
        const int32_t best = state != nullptr ? from_sum(static_cast<uint64_t>(*state), vocabulary_)
                                              : next(past, vocabulary_);
        logits_[static_cast<size_t>(output) * static_cast<size_t>(vocabulary_) +
                static_cast<size_t>(best)] = 10;
        ++output;
      }
    }
    return {logits_.data(), output, vocabulary_, vocabulary_};
  }

 private:
  static int32_t from_sum(uint64_t sum, int vocabulary) {
    return static_cast<int32_t>((sum * 7 + 3) % static_cast<uint64_t>(vocabulary));
  }

  int vocabulary_, max_rows_, max_sequences_;
  int runs_ = 0, rows_run_ = 0;
  std::vector<float> logits_;
};

}  // namespace issun::model
