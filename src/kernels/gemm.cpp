#include "kernels/gemm.h"

#include <algorithm>

#include "base/check.h"

namespace issun::kernels {

namespace {

// Lines of the shared panels: multiples of what any table takes in a panel, and of 256, where
// packed formats can be entered. With 256 words of each, a and b together are 4.9 MB.
constexpr int64_t kBlockRows = 1536, kBlockColumns = 3072;
// Rows of a tile: so many lines of a stay in the second cache while the panels of b go by.
constexpr int64_t kTileRows = 96;
constexpr int64_t kMostTileColumns = 512;
constexpr int64_t kTilesPerWorker = 8;
constexpr int64_t kPackLines = 96;  // lines that a worker packs at a time
constexpr int kMostPieces = 16;     // products that meet in one block

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

// Where chunks of lines of one side start, and how long they are.
int64_t pack_chunk(const GemmOperand& side, bool lines_are_rows) {
  return side.tensor.type != DType::F32 && !lines_are_rows ? kQ8Columns : kPackLines;
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
        const int64_t room = kBlockColumns - block.lines;
        if (room == 0 || block.count == kMostPieces) {
          run_block(block);
          block = {};
          continue;
        }
        // A piece that is not the last one of its product ends where packed formats can be entered.
        const int64_t left = product.out.columns - first;
        const int64_t columns = left <= room ? left : room / kQ8Columns * kQ8Columns;
        if (columns == 0) {
          block.lines = kBlockColumns;
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

  // Lines [line, line + lines) of a side at the block's depth, into panels from line `at` on.
  void pack_lines(const Block& block, const GemmOperand& side, bool is_a, int64_t line,
                  int64_t lines, int64_t at, int64_t padding, float* panels, void* room) const {
    GemmPack task{};
    task.rows_are_lines = is_a != side.transposed;
    const int64_t row = task.rows_are_lines ? line : block.k;
    const int64_t column = task.rows_are_lines ? block.k : line;
    const DType type = side.tensor.type;
    task.row_bytes = row_stride_bytes(side);
    task.from = side.tensor.data + row * task.row_bytes + row_bytes(type, column);
    task.decode = type == DType::F32 ? nullptr : table_.decode_row[static_cast<size_t>(type)];
    task.first = static_cast<int>(at);
    task.lines = static_cast<int>(lines);
    task.padding = static_cast<int>(padding);
    task.depth = static_cast<int>(block.depth);
    task.panels = panels;
    (is_a ? table_.gemm_pack_a : table_.gemm_pack_b)[precision_](&task, room);
  }

  void pack_piece(const Block& block, const Piece& piece, int64_t chunk, void* room) const {
    const GemmOperand& b = piece.product->b;
    const int64_t size = pack_chunk(b, b.transposed), line = chunk * size;
    const int64_t lines = std::min(size, piece.columns - line);
    const int64_t padding = line + lines == piece.columns
                                ? padded(piece.columns, table_.gemm_columns) - piece.columns
                                : 0;
    pack_lines(block, b, false, piece.first + line, lines, piece.at + line, padding, scratch_.b(),
               room);
  }

  void pack_rows(const Block& block, int64_t chunk, void* room) const {
    const GemmOperand& a = block.pieces[0].product->a;
    const int64_t size = pack_chunk(a, !a.transposed), line = chunk * size;
    const int64_t lines = std::min(size, block.rows - line);
    const int64_t padding =
        line + lines == block.rows ? padded(block.rows, table_.gemm_rows) - block.rows : 0;
    pack_lines(block, a, true, block.row + line, lines, line, padding, scratch_.a(), room);
  }

  // a's rows of the block, and with the first of them b's columns.
  void pack(const Block& block) {
    const GemmOperand& a = block.pieces[0].product->a;
    const int64_t a_size = pack_chunk(a, !a.transposed);
    int64_t ends[kMostPieces + 1] = {(block.rows + a_size - 1) / a_size};
    const int pieces = block.row == 0 ? block.count : 0;
    for (int i = 0; i < pieces; ++i) {
      const GemmOperand& b = block.pieces[i].product->b;
      const int64_t size = pack_chunk(b, b.transposed);
      ends[i + 1] = ends[i] + (block.pieces[i].columns + size - 1) / size;
    }
    workers_.for_each(ends[pieces], 1, [&](int64_t begin, int64_t, int worker) {
      int i = 0;
      while (begin >= ends[i]) ++i;
      if (i == 0)
        pack_rows(block, begin, scratch_.of(worker));
      else
        pack_piece(block, block.pieces[i - 1], begin - ends[i - 1], scratch_.of(worker));
    });
  }

  // Tiles: neighbours have the same rows.
  void multiply(const Block& block) {
    const int64_t panel = table_.gemm_columns, panels = block.lines / panel;
    const int64_t bands = (block.rows + kTileRows - 1) / kTileRows;
    const int64_t parts = std::max<int64_t>(1, workers_.count() * kTilesPerWorker / bands);
    const int64_t width = std::clamp<int64_t>(panels / parts, 1, kMostTileColumns / panel) * panel;
    const int64_t across = (block.lines + width - 1) / width;
    workers_.for_each(bands * across, 1, [&](int64_t begin, int64_t, int) {
      const int64_t row = begin / across * kTileRows, line = begin % across * width;
      multiply_tile(block, row, std::min(kTileRows, block.rows - row), line,
                    std::min(line + width, block.lines));
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

Result<GemmScratch> GemmScratch::create(int workers) {
  GemmScratch scratch;
  scratch.a_ = scratch.memory_.reserve<float>((kBlockRows + kTileRows) * kGemmStride);
  scratch.b_ = scratch.memory_.reserve<float>(kBlockColumns * kGemmDepth);
  scratch.workers_ = scratch.memory_.reserve<std::byte>(workers * kScratchBytes);
  TRY(scratch.memory_.allocate());
  return scratch;
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
