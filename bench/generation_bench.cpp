// Speed of a model without a program around it, for builds that have none, one line of JSON.
// Usage: bench_generation MODEL [isa] [tokens]
// One thread, by the processor time of the thread: a prompt of 128 tokens, then tokens one by one,
// each the likeliest. Minimum of three runs. The text that came is told by a hash, so that builds
// can be compared.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "base/fnv.h"
#include "kernels/dispatch.h"
#include "model/forward.h"
#include "model/model.h"
#include "model/sequence.h"

using namespace issun;
using namespace issun::model;

namespace {

double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

constexpr int kPrompt = 128;

Result<void> run(const std::string& path, const std::string& isa, int tokens) {
  const auto model = TRY(Model::open(path));
  const auto workers = TRY(Workers::create(1));
  for (const kernels::KernelTable* table : kernels::available_kernels()) {
    if (isa.empty() ? table != kernels::available_kernels().back() : isa != table->name) continue;
    const auto forward = TRY(Forward::create(model->config, model->weights, *table, *workers,
                                             {.max_rows = kPrompt, .context = kPrompt + tokens}));
    auto cache = TRY(
        cache::PagedKv::create(model->config.kv_shape(DType::F16, DType::F16), kPrompt + tokens));
    double prompt_seconds = 1e9, token_seconds = 1e9;
    uint64_t hash = 0;
    for (int repetition = 0; repetition < 3; ++repetition) {
      Sequence sequence(*forward, cache);
      std::vector<int32_t> prompt;
      for (int i = 0; i < kPrompt; ++i)
        prompt.push_back((i * 7 + i * i) % model->config.vocabulary_size);
      const double start = thread_seconds();
      Matrix<const float> logits = TRY(sequence.append(prompt, Wanted::Last));
      const double read = thread_seconds();
      std::string text;
      for (int i = 0; i < tokens; ++i) {
        const float* row = logits.row(0);
        const auto token =
            static_cast<int32_t>(std::max_element(row, row + model->config.vocabulary_size) - row);
        text += fmt::format("{} ", token);
        logits = TRY(sequence.append({&token, 1}, Wanted::Last));
      }
      prompt_seconds = std::min(prompt_seconds, read - start);
      token_seconds = std::min(token_seconds, (thread_seconds() - read) / tokens);
      hash = fnv1a(std::as_bytes(std::span(text)));
    }
    fmt::print(
        "{{\"model\": \"{}\", \"isa\": \"{}\", \"threads\": 1, \"prompt_tokens_per_second\": "
        "{:.1f}, "
        "\"tokens_per_second\": {:.2f}, \"tokens\": {}, \"text\": \"{:016x}\"}}\n",
        path.substr(path.rfind('/') + 1), table->name, kPrompt / prompt_seconds, 1 / token_seconds,
        tokens, hash);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_generation MODEL [isa] [tokens]\n");
    return 2;
  }
  const auto done =
      run(argv[1], argc > 2 ? argv[2] : "", argc > 3 ? std::max(1, std::atoi(argv[3])) : 64);
  if (done) return 0;
  fmt::print(stderr, "{}\n", done.error().message);
  return 1;
}
