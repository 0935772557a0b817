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

LinearKernel kernel_for(const KernelTable& table, DType weights, ActivationForm form,
                        ProductFamily family) {
  const auto type = static_cast<size_t>(weights);
  const bool few = family == ProductFamily::Dot;
  switch (form) {
    case ActivationForm::Brains:
      return table.panel_brains[type];
    case ActivationForm::Q8:
      return few ? table.dot_q8[type] : table.panel_q8[type];
    default:
      return few ? table.dot_f32[type] : table.panel_f32[type];
  }
}

// Bytes from row to row of activations in a form.
int64_t row_stride(ActivationForm form, const Matrix<const float>& rows) {
  switch (form) {
    case ActivationForm::Q8:
      return q8_bytes(rows.columns);
    case ActivationForm::Brains:
      return kBrainStride;
    default:
      return rows.stride * static_cast<int64_t>(sizeof(float));
  }
}

Job make_job(const KernelTable& table, const Activations& activations, const Product& product,
             bool exact, int64_t tokens, int workers) {
  const ProductFamily family = family_for(table, product.weights.type, exact, tokens);
  const ActivationForm form = form_for(table, product.weights.type, exact, tokens);
  const bool few = family == ProductFamily::Dot;
  CHECK_THAT(product.weights.columns() == activations.rows.columns);
  CHECK_THAT(product.first + product.out.rows <= activations.rows.rows &&
             product.out.columns == product.weights.rows());
  CHECK_THAT(form == ActivationForm::Floats || form == activations.form);
  Job job{};
  job.kernel = kernel_for(table, product.weights.type, form, family);
  CHECK_THAT(job.kernel != nullptr);
  job.task.weights = product.weights.data;
  job.task.row_bytes = product.weights.row_bytes();
  job.task.columns = static_cast<int>(product.weights.columns());
  const std::byte* rows = form == ActivationForm::Floats
                              ? reinterpret_cast<const std::byte*>(activations.rows.data)
                              : activations.prepared;
  job.task.activation_stride = row_stride(form, activations.rows);
  job.task.plane_stride = activations.rows.rows * kBrainStride;
  job.task.activations = rows + product.first * job.task.activation_stride;
  job.task.tokens = static_cast<int>(product.out.rows);
  job.task.out = product.out.data;
  job.task.out_stride = product.out.stride;
  job.task.read_ahead = table.read_ahead;
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

ActivationForm form_for(const KernelTable& table, DType weights, bool exact, int64_t tokens) {
  const auto type = static_cast<size_t>(weights);
  if (exact) return ActivationForm::Floats;
  if (family_for(table, weights, exact, tokens) == ProductFamily::Brains)
    return ActivationForm::Brains;
  return table.dot_q8[type] != nullptr ? ActivationForm::Q8 : ActivationForm::Floats;
}

int64_t prepared_bytes(const KernelTable& table, int64_t columns) {
  return std::max(q8_bytes(columns), brain_row_bytes(columns, table.brain_planes));
}

void prepare(const KernelTable& table, Workers& workers, ActivationForm form,
             Activations& activations) {
  CHECK_THAT(goes_with(form, activations.form));
  if (form == ActivationForm::Floats || form == activations.form) return;
  prepare_rows(table, workers, form, activations, 0, activations.rows.rows);
  activations.form = form;
}

void prepare_rows(const KernelTable& table, Workers& workers, ActivationForm form,
                  const Activations& activations, int64_t first, int64_t end) {
  const Matrix<const float>& rows = activations.rows;
  const int columns = static_cast<int>(rows.columns);
  const int64_t stride = row_stride(form, rows);
  workers.for_each(end - first, 4, [&](int64_t from, int64_t to, int) {
    for (int64_t t = first + from; t < first + to; ++t) {
      std::byte* prepared = activations.prepared + t * stride;
      if (form == ActivationForm::Q8)
        table.quantise(rows.row(t), columns, prepared);
      else
        table.round_row(rows.row(t), columns, prepared, rows.rows * kBrainStride);
    }
  });
}

Result<LinearScratch> LinearScratch::create(int workers) {
  LinearScratch scratch;
  scratch.buffer_ = TRY(AlignedBuffer::create(workers * kScratchBytes));
  return scratch;
}

ProductFamily family_for(const KernelTable& table, DType weights, bool exact, int64_t tokens) {
  const auto type = static_cast<size_t>(weights);
  const bool floats = exact || table.dot_q8[type] == nullptr;
  if (tokens <= (floats ? table.dot_tokens_f32 : table.dot_tokens)) return ProductFamily::Dot;
  const bool brains = !exact && table.panel_brains[type] != nullptr && tokens >= table.brain_tokens;
  return brains ? ProductFamily::Brains : ProductFamily::Panel;
}

bool same_families(const KernelTable& table, bool exact, int64_t tokens, int64_t other) {
  for (size_t type = 0; type < kTypes; ++type) {
    if (table.dot_f32[type] == nullptr) continue;
    const auto weights = static_cast<DType>(type);
    if (family_for(table, weights, exact, tokens) != family_for(table, weights, exact, other))
      return false;
  }
  return true;
}

void linear(const KernelTable& table, Workers& workers, const LinearScratch& scratch,
            const Activations& activations, std::span<const Product> products, bool exact) {
  linear(table, workers, scratch, activations, products, exact, activations.tokens());
}

void linear(const KernelTable& table, Workers& workers, const LinearScratch& scratch,
            const Activations& activations, std::span<const Product> products, bool exact,
            int64_t tokens) {
  if (activations.tokens() == 0) return;
  CHECK_THAT(products.size() <= kMostProducts);
  Job jobs[kMostProducts];
  int64_t chunks = 0;
  int count = 0;
  for (const Product& product : products) {
    Job& job = jobs[count++] =
        make_job(table, activations, product, exact, tokens, workers.count());
    job.first_chunk = chunks;
    chunks += (job.rows + job.chunk - 1) / job.chunk;
  }
  const auto job_of = [&](int64_t chunk) -> const Job& {
    int j = count - 1;
    while (jobs[j].first_chunk > chunk) --j;
    return jobs[j];
  };
  workers.for_each(chunks, 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t c = begin; c < end; ++c) {
      const Job& job = job_of(c);
      LinearTask task = job.task;
      // Workers that go at the same pace take turns.
      const int64_t later = c + workers.count();
      if (later < chunks) {
        const Job& then = job_of(later);
        const int64_t row = (later - then.first_chunk) * then.chunk;
        task.next = static_cast<const std::byte*>(then.task.weights) + row * then.task.row_bytes;
        task.next_bytes =
            std::min<int64_t>(then.rows - row, table.panel_rows) * then.task.row_bytes;
      }
      const int64_t row = (c - job.first_chunk) * job.chunk;
      job.kernel(&task, row, std::min(row + job.chunk, job.rows), scratch.of(worker));
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
