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
  // guesses: outputs of a batch besides one for each sequence.
  FakeDecoder(int vocabulary, int max_rows, int max_sequences, int guesses = 0, int adapters = 0)
      : adapters_(adapters),
        vocabulary_(vocabulary),
        max_rows_(max_rows),
        max_sequences_(max_sequences),
        max_outputs_(max_sequences + guesses),
        logits_(static_cast<size_t>(vocabulary) * static_cast<size_t>(max_outputs_)) {}

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
    for (size_t i = 0; i < history.size(); ++i) sum += weighed(history[i], i);
    return from_sum(sum, history.size(), vocabulary);
  }

  int vocabulary_size() const override { return vocabulary_; }
  int max_rows() const override { return max_rows_; }
  int max_sequences() const override { return max_sequences_; }
  int max_outputs() const override { return max_outputs_; }
  bool computes_alike(int rows, int other) const override {
    return (rows <= alike_rows_) == (other <= alike_rows_);
  }
  int64_t context() const override { return int64_t{1} << 20; }
  // An adapter with a scale of s makes it read each token as the one s - 1 further.
  int adapters() const override { return adapters_; }
  void scale_adapters(std::span<const float> scales) override {
    shift_ = 0;
    for (const float scale : scales) shift_ += static_cast<int32_t>(scale) - 1;
  }
  static std::vector<int32_t> shifted(std::span<const int32_t> history, int by) {
    std::vector<int32_t> read;
    for (const int32_t token : history) read.push_back(token + by);
    return read;
  }
  int runs() const { return runs_; }
  int rows_run() const { return rows_run_; }

  // Batches of more rows than this would have other bits.
  void compute_alike_up_to(int rows) { alike_rows_ = rows; }
  // The rows of each run so far, and the company they asked for.
  const std::vector<int>& batches() const { return batches_; }
  const std::vector<int>& companies() const { return companies_; }

  // The run after so many fails; those behind it do not.
  void fail_after(int runs) { fail_after_ = runs; }

  Result<Matrix<const float>> run(const Batch& batch, cache::PagedKv& cache) override {
    CHECK_THAT(static_cast<int>(batch.tokens.size()) <= max_rows_);
    if (fail_after_ == runs_) {
      fail_after_ = -1;
      return fail("disk: broken");
    }
    ++runs_;
    batches_.push_back(static_cast<int>(batch.tokens.size()));
    companies_.push_back(batch.company);
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
        const int32_t token = batch.tokens[static_cast<size_t>(row)] + shift_;
        *place(position) = static_cast<float>(token);
        float* state = cache.has_states() ? cache.states().memory(0, table.state) : nullptr;
        if (state != nullptr)
          *state += static_cast<float>(weighed(token, static_cast<size_t>(position)));
        if (output == static_cast<int32_t>(batch.outputs.size()) ||
            batch.outputs[static_cast<size_t>(output)] != row) {
          continue;
        }
        std::vector<int32_t> past;
        for (int p = 0; p <= position; ++p) past.push_back(static_cast<int32_t>(*place(p)));
        const int32_t best = state != nullptr
                                 ? from_sum(static_cast<uint64_t>(*state),
                                            static_cast<size_t>(position) + 1, vocabulary_)
                                 : next(past, vocabulary_);
        logits_[static_cast<size_t>(output) * static_cast<size_t>(vocabulary_) +
                static_cast<size_t>(best)] = 10;
        ++output;
      }
    }
    return Matrix<const float>{logits_.data(), output, vocabulary_, vocabulary_};
  }

 private:
  // With a weight of 4, modulo 29, a text would forget what stands before the place.
  static uint64_t weighed(int32_t token, size_t place) {
    return static_cast<uint64_t>(token) * (5 + place % 20);
  }
  // The length is in it, or a text would soon be the same token for ever.
  static int32_t from_sum(uint64_t sum, size_t length, int vocabulary) {
    return static_cast<int32_t>((sum * 7 + length * length + 3) %
                                static_cast<uint64_t>(vocabulary));
  }

  int adapters_, vocabulary_, max_rows_, max_sequences_, max_outputs_;
  int32_t shift_ = 0;
  int alike_rows_ = 1 << 20;
  std::vector<int> batches_;
  std::vector<int> companies_;
  int runs_ = 0, rows_run_ = 0, fail_after_ = -1;
  std::vector<float> logits_;
};

}  // namespace issun::model
