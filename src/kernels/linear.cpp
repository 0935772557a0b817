#include "kernels/linear.h"

#include <algorithm>

#include "base/check.h"

namespace issun::kernels {

namespace {

// Chunks a worker takes at a time: enough of them that a slow core can take fewer, each large
// enough that the shared counter and the start of a kernel do not count.
constexpr int64_t kChunksPerWorker = 8;
constexpr int64_t kSmallestChunkBytes = 32 << 10;

struct Job {
  LinearKernel kernel;
  LinearTask task;
  int64_t rows, chunk;  // a chunk of rows
  int64_t first_chunk;  // its place among the chunks of all jobs
};

Job make_job(const KernelTable& table, const Activations& activations, const Product& product,
             bool exact, ProductFamily family, int workers) {
  const auto type = static_cast<size_t>(product.weights.type);
  const bool q8 = wants_q8(table, product.weights.type, exact);
  const bool few = family == ProductFamily::Dot;
  CHECK_THAT(product.weights.columns() == activations.rows.columns);
  CHECK_THAT(product.first + product.out.rows <= activations.rows.rows &&
             product.out.columns == product.weights.rows());
  CHECK_THAT(!q8 || activations.q8_ready);
  Job job;
  job.kernel = q8 ? (few ? table.dot_q8[type] : table.panel_q8[type])
                  : (few ? table.dot_f32[type] : table.panel_f32[type]);
  CHECK_THAT(job.kernel != nullptr);
  job.task.weights = product.weights.data;
  job.task.row_bytes = product.weights.row_bytes();
  job.task.columns = static_cast<int>(product.weights.columns());
  job.task.activation_stride = q8 ? q8_bytes(activations.rows.columns)
                                  : activations.rows.stride * static_cast<int64_t>(sizeof(float));
  job.task.activations =
      (q8 ? activations.q8 : reinterpret_cast<const std::byte*>(activations.rows.data)) +
      product.first * job.task.activation_stride;
  job.task.tokens = static_cast<int>(product.out.rows);
  job.task.out = product.out.data;
  job.task.out_stride = product.out.stride;
  job.rows = product.weights.rows();
  const int64_t fair = job.rows / (workers * kChunksPerWorker);
  const int64_t smallest = few ? kSmallestChunkBytes / std::max<int64_t>(job.task.row_bytes, 1) : 1;
  job.chunk = round_up(std::max<int64_t>({fair, smallest, 1}), few ? 4 : table.panel_rows);
  return job;
}

}  // namespace

int64_t q8_bytes(int64_t columns) {
  return (columns + kQ8Columns - 1) / kQ8Columns * static_cast<int64_t>(sizeof(Q8Block));
}

bool wants_q8(const KernelTable& table, DType weights, bool exact) {
  return !exact && table.dot_q8[static_cast<size_t>(weights)] != nullptr;
}

void prepare_q8(const KernelTable& table, Workers& workers, Activations& activations) {
  const int64_t stride = q8_bytes(activations.rows.columns);
  workers.for_each(activations.tokens(), 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t)
      table.quantise(activations.rows.row(t), static_cast<int>(activations.rows.columns),
                     activations.q8 + t * stride);
  });
  activations.q8_ready = true;
}

Result<LinearScratch> LinearScratch::create(int workers) {
  LinearScratch scratch;
  scratch.buffer_ = TRY(AlignedBuffer::create(workers * kScratchBytes));
  return scratch;
}

ProductFamily family_for(const KernelTable& table, int64_t tokens) {
  return tokens <= table.dot_tokens ? ProductFamily::Dot : ProductFamily::Panel;
}

void linear(const KernelTable& table, Workers& workers, const LinearScratch& scratch,
            const Activations& activations, std::span<const Product> products, bool exact) {
  linear(table, workers, scratch, activations, products, exact,
         family_for(table, activations.tokens()));
}

void linear(const KernelTable& table, Workers& workers, const LinearScratch& scratch,
            const Activations& activations, std::span<const Product> products, bool exact,
            ProductFamily family) {
  if (activations.tokens() == 0) return;
  CHECK_THAT(products.size() <= kMostProducts);
  Job jobs[kMostProducts];
  int64_t chunks = 0;
  int count = 0;
  for (const Product& product : products) {
    Job& job = jobs[count++] =
        make_job(table, activations, product, exact, family, workers.count());
    job.first_chunk = chunks;
    chunks += (job.rows + job.chunk - 1) / job.chunk;
  }
  workers.for_each(chunks, 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t c = begin; c < end; ++c) {
      int j = count - 1;
      while (jobs[j].first_chunk > c) --j;
      const int64_t row = (c - jobs[j].first_chunk) * jobs[j].chunk;
      jobs[j].kernel(&jobs[j].task, row, std::min(row + jobs[j].chunk, jobs[j].rows),
                     scratch.of(worker));
    }
  });
}

void embed_row(const KernelTable& table, const Tensor& weights, int64_t r, std::span<float> out) {
  CHECK_THAT(r >= 0 && r < weights.rows() && static_cast<int64_t>(out.size()) == weights.columns());
  table.decode_row[static_cast<size_t>(weights.type)](
      weights.row(r), static_cast<int>(weights.columns()), out.data());
}

const char* why_not_computable(const KernelTable& table, DType type, int64_t columns) {
  const auto id = static_cast<size_t>(type);
  if (id >= kTypes || table.dot_f32[id] == nullptr) return "there are no kernels for its type";
  if (columns <= 0 || columns > (1 << 24)) return "its rows are empty or longer than 16777216";
  if (columns % facts(type).block != 0) return "its rows are no whole number of blocks";
  return nullptr;
}

}  // namespace issun::kernels
