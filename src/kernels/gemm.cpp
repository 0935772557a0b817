#include "kernels/gemm.h"

#include <algorithm>

#include "base/check.h"

namespace issun::kernels {

namespace {

// Lines of the shared panels: multiples of what any table takes in a panel, and of 256, where
// packed formats can be entered. With 512 words of each, a and b together are 4.8 MB.
constexpr int64_t kBlockRows = 768, kBlockColumns = 1536;
// A tile: its columns of b stay in the second cache (256 KiB) while rows of a go by.
constexpr int64_t kTileRows = 192, kTileColumns = 128;
constexpr int64_t kTilesPerWorker = 8;
constexpr int64_t kPackLines = 96, kPackDepths = 32;  // rows that a worker packs at a time
constexpr int kMostPieces = 16;                       // products that meet in one block

bool same(const GemmOperand& a, const GemmOperand& b) {
  return a.tensor.data == b.tensor.data && a.tensor.type == b.tensor.type &&
         a.tensor.size == b.tensor.size && a.stride == b.stride && a.transposed == b.transposed;
}

int64_t row_stride_bytes(const GemmOperand& side) {
  return side.stride != 0 ? side.stride * static_cast<int64_t>(sizeof(float))
                          : side.tensor.row_bytes();
}

// Columns [first, first + columns) of a product, whose panels of b start at line `at`.
struct Piece {
  const Gemm* product;
  int64_t first, columns, at;
};

// One block of a and the blocks of b that meet it.
struct Block {
  Piece pieces[kMostPieces];
  int count = 0;
  int64_t lines = 0;  // of b, whole panels of each piece
  int64_t row = 0, rows = 0, k = 0, depth = 0;
};

// Rows of a side's tensor in one block: a line each, or a depth of all lines.
struct Rows {
  bool are_lines;
  int64_t count, chunk;
  int64_t chunks() const { return (count + chunk - 1) / chunk; }
};
Rows rows_of(const GemmOperand& side, bool is_a, int64_t lines, int64_t depths) {
  const bool are_lines = is_a != side.transposed;
  return {are_lines, are_lines ? lines : depths, are_lines ? kPackLines : kPackDepths};
}

class Driver {
 public:
  Driver(const KernelTable& table, Workers& workers, const GemmScratch& scratch,
         GemmPrecision precision)
      : table_(table),
        workers_(workers),
        scratch_(scratch),
        precision_(static_cast<int>(precision)) {}

  // Products with the same a.
  void run(std::span<const Gemm> products) {
    Block block;
    for (const Gemm& product : products)
      for (int64_t first = 0; first < product.out.columns;) {
        // A piece that is not the last one of its product ends where packed formats can be entered.
        const int64_t room = kBlockColumns - block.lines, left = product.out.columns - first;
        const int64_t columns = left <= room ? left : room / kQ8Columns * kQ8Columns;
        if (columns == 0 || block.count == kMostPieces) {
          run_block(block);
          block = {};
          continue;
        }
        block.pieces[block.count++] = {&product, first, columns, block.lines};
        block.lines += padded(columns, table_.gemm_columns);
        first += columns;
      }
    if (block.count > 0) run_block(block);
  }

 private:
  static int64_t padded(int64_t lines, int64_t panel) {
    return (lines + panel - 1) / panel * panel;
  }

  void run_block(Block& block) {
    const GemmOperand& a = block.pieces[0].product->a;
    const int64_t m = a.rows(), k = a.columns(), depth = table_.gemm_depth[precision_];
    for (block.k = 0; block.k < k; block.k += depth) {
      block.depth = std::min(depth, k - block.k);
      for (block.row = 0; block.row < m; block.row += kBlockRows) {
        block.rows = std::min(kBlockRows, m - block.row);
        pack(block);
        multiply(block);
      }
    }
  }

  // Lines [line, line + lines) of a side and its depths of the block, into panels from line `at`
  // on: one chunk of the rows they lie in.
  void pack_chunk(const Block& block, const GemmOperand& side, bool is_a, int64_t line,
                  int64_t lines, int64_t at, int64_t chunk, void* room) const {
    const DType type = side.tensor.type;
    const Rows rows = rows_of(side, is_a, lines, block.depth);
    const int64_t skipped = chunk * rows.chunk;
    const int64_t count = std::min(rows.chunk, rows.count - skipped);
    const int64_t row = (rows.are_lines ? line : block.k) + skipped;
    const int64_t panel = is_a ? table_.gemm_rows : table_.gemm_columns;
    GemmPack task{};
    task.rows_are_lines = rows.are_lines;
    task.row_bytes = row_stride_bytes(side);
    task.unit_bytes = row_bytes(type, kQ8Columns);
    task.from =
        side.tensor.data + row * task.row_bytes + row_bytes(type, rows.are_lines ? block.k : line);
    task.decode = type == DType::F32 ? nullptr : table_.decode_row[static_cast<size_t>(type)];
    task.line = static_cast<int>(rows.are_lines ? at + skipped : at);
    task.depth = static_cast<int>(rows.are_lines ? 0 : skipped);
    task.lines = static_cast<int>(rows.are_lines ? count : lines);
    task.depths = static_cast<int>(rows.are_lines ? block.depth : count);
    const bool last = !rows.are_lines || skipped + count == rows.count;
    task.padding = static_cast<int>(last ? padded(lines, panel) - lines : 0);
    task.panels = is_a ? scratch_.a() : scratch_.b();
    (is_a ? table_.gemm_pack_a : table_.gemm_pack_b)[precision_](&task, room);
  }

  // a's rows of the block, and with the first of them b's columns.
  void pack(const Block& block) {
    const GemmOperand& a = block.pieces[0].product->a;
    int64_t ends[kMostPieces + 1] = {rows_of(a, true, block.rows, block.depth).chunks()};
    const int pieces = block.row == 0 ? block.count : 0;
    for (int i = 0; i < pieces; ++i) {
      const Piece& piece = block.pieces[i];
      const Rows rows = rows_of(piece.product->b, false, piece.columns, block.depth);
      ends[i + 1] = ends[i] + rows.chunks();
    }
    workers_.for_each(ends[pieces], 1, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t c = begin; c < end; ++c) {
        int i = 0;
        while (c >= ends[i]) ++i;
        if (i == 0) {
          pack_chunk(block, a, true, block.row, block.rows, 0, c, scratch_.of(worker));
          continue;
        }
        const Piece& piece = block.pieces[i - 1];
        pack_chunk(block, piece.product->b, false, piece.first, piece.columns, piece.at,
                   c - ends[i - 1], scratch_.of(worker));
      }
    });
  }

  // Tiles: neighbours have the same rows.
  void multiply(const Block& block) {
    const int64_t panel = table_.gemm_columns, panels = block.lines / panel;
    const int64_t bands = (block.rows + kTileRows - 1) / kTileRows;
    const int64_t parts = std::max<int64_t>(1, workers_.count() * kTilesPerWorker / bands);
    const int64_t width = std::clamp<int64_t>(panels / parts, 1, kTileColumns / panel) * panel;
    const int64_t across = (block.lines + width - 1) / width;
    workers_.for_each(bands * across, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t row = t / across * kTileRows, line = t % across * width;
        multiply_tile(block, row, std::min(kTileRows, block.rows - row), line,
                      std::min(line + width, block.lines));
      }
    });
  }

  // Lines [line, end) of b's panels, which may belong to several pieces.
  void multiply_tile(const Block& block, int64_t row, int64_t rows, int64_t line,
                     int64_t end) const {
    for (int i = 0; i < block.count; ++i) {
      const Piece& piece = block.pieces[i];
      const int64_t first = std::max(line, piece.at) - piece.at;
      const int64_t last = std::min(end - piece.at, piece.columns);
      if (first >= last) continue;
      const Matrix<float>& out = piece.product->out;
      GemmTile tile{};
      tile.a = scratch_.a() + row * kGemmStride;
      tile.b = scratch_.b() + (piece.at + first) * kGemmDepth;
      tile.rows = static_cast<int>(rows);
      tile.columns = static_cast<int>(last - first);
      tile.depth = static_cast<int>(block.depth);
      tile.add = piece.product->accumulate || block.k > 0;
      tile.out = out.row(block.row + row) + piece.first + first;
      tile.out_stride = out.stride;
      table_.gemm_tile[precision_](&tile);
    }
  }

  const KernelTable& table_;
  Workers& workers_;
  const GemmScratch& scratch_;
  const int precision_;
};

void check(const Gemm& product, const KernelTable& table) {
  const auto& [a, b, out, accumulate, precision] = product;
  CHECK_THAT(a.rows() == out.rows && b.columns() == out.columns && a.columns() == b.rows());
  for (const GemmOperand* side : {&a, &b}) {
    CHECK_THAT(table.decode_row[static_cast<size_t>(side->tensor.type)] != nullptr);
    CHECK_THAT(side->stride == 0 || side->tensor.type == DType::F32);
  }
}

void clear(const Matrix<float>& out) {
  for (int64_t r = 0; r < out.rows; ++r) std::fill_n(out.row(r), out.columns, 0.0f);
}

}  // namespace

GemmOperand operand(const Matrix<const float>& matrix, bool transposed) {
  GemmOperand side;
  side.tensor.size = {matrix.columns, matrix.rows, 1, 1};
  side.tensor.data = reinterpret_cast<const std::byte*>(matrix.data);
  side.stride = matrix.stride;
  side.transposed = transposed;
  return side;
}
GemmOperand operand(const Matrix<float>& matrix, bool transposed) {
  return operand(Matrix<const float>(matrix.data, matrix.rows, matrix.columns, matrix.stride),
                 transposed);
}
GemmOperand operand(const Tensor& tensor, bool transposed) {
  return {.tensor = tensor, .stride = 0, .transposed = transposed};
}

void GemmScratch::reserve(int workers) {
  a_ = memory_.reserve<float>((kBlockRows + kTileRows) * kGemmStride);
  b_ = memory_.reserve<float>(kBlockColumns * kGemmDepth);
  workers_ = memory_.reserve<std::byte>(workers * kScratchBytes);
}

Result<GemmScratch> GemmScratch::create(int workers) {
  GemmScratch scratch;
  scratch.reserve(workers);
  TRY(scratch.memory_.allocate());
  return scratch;
}

int64_t GemmScratch::planned_bytes(int workers) {
  GemmScratch scratch;
  scratch.reserve(workers);
  return scratch.memory_.planned_bytes();
}

void gemm(const KernelTable& table, Workers& workers, const GemmScratch& scratch,
          std::span<const Gemm> products) {
  for (size_t first = 0; first < products.size();) {
    const Gemm& product = products[first];
    size_t end = first;
    for (; end < products.size() && same(products[end].a, product.a) &&
           products[end].precision == product.precision;
         ++end) {
      check(products[end], table);
      if (product.a.columns() == 0 && !products[end].accumulate) clear(products[end].out);
    }
    Driver(table, workers, scratch, product.precision).run(products.subspan(first, end - first));
    first = end;
  }
}

}  // namespace issun::kernels
