#include "quantize/grid_book.h"

#include <cstring>

#include "quantize/book_block.h"

namespace issun::quantize {

namespace {

// What a format makes of its codebook.
struct BookFormat {
  kernels::Entries entries;  // IQ1: those above
  Multiples multiples;
  int group;  // values of a scale
  bool even;  // the number of minus signs
};

template <class Block>
class BookGrid : public Grid {
 public:
  BookGrid(const BookFormat& format, const Encoder& encoder, EncodeScratch* scratch)
      : format_(format), encoder_(encoder), scratch_(scratch) {}

  int unit() const override { return 8; }

  void open(const std::byte* block) override {
    Block opened;
    std::memcpy(&opened, block, sizeof opened);
    found_ = {};
    unpack(opened, &found_);
  }

  void stretch(float factor, std::byte* block) const override {
    Block changed;
    std::memcpy(&changed, block, sizeof changed);
    if constexpr (requires { changed.d; }) {
      changed.d = held_f16(static_cast<double>(f16_to_f32(changed.d) * factor));
    }
    std::memcpy(block, &changed, sizeof changed);
  }

  void close(std::byte* block) const override {
    Block changed;
    pack(found_, &changed);
    std::memcpy(block, &changed, sizeof changed);
  }

 protected:
  // Where a unit stands: its group, and the first of its vectors there.
  int group_of(int first) const { return first / format_.group; }
  int vector_of(int first) const { return first % format_.group / format_.entries.width; }
  float scale_of(int group) const {
    return f16_to_f32(found_.d) * format_.multiples.of(found_.scales[group]);
  }

  const BookFormat format_;
  const Encoder& encoder_;
  EncodeScratch* const scratch_;
  BookBlock found_;
};

template <class Block>
class SignedGrid final : public BookGrid<Block> {
 public:
  using BookGrid<Block>::BookGrid;

  void choose(int first, const float* x, const float* weights, float* values) override {
    const Part part = {this->encoder_.searches(), x, weights};
    const BookPart book_part = {part, this->encoder_.books(), this->scratch_};
    const kernels::Entries& entries = this->format_.entries;
    SignedGroup group(book_part, entries, this->format_.even, 8, 0);
    group.load(0);
    const int g = this->group_of(first), v = this->vector_of(first);
    const float scale = this->scale_of(g);
    const GroupChoice chosen = group.choose(scale);
    GroupChoice& kept = this->found_.choices[g];
    for (int i = 0; i < 8 / entries.width; ++i) {
      kept.entries[v + i] = chosen.entries[i];
      kept.signs[v + i] = chosen.signs[i];
    }
    for (int i = 0; i < 8; ++i) {
      const int of = i / entries.width, at = i % entries.width;
      const float size =
          scale * static_cast<float>(entries.values[at * entries.count + chosen.entries[of]]);
      values[i] = (chosen.signs[of] >> at & 1) != 0 ? -size : size;
    }
  }
};

// IQ1_S: whether a group is below was settled with its scale. IQ1_M: each eight for itself.
template <class Block>
class ShiftedGrid final : public BookGrid<Block> {
 public:
  using BookGrid<Block>::BookGrid;

  void choose(int first, const float* x, const float* weights, float* values) override {
    const Part part = {this->encoder_.searches(), x, weights};
    const BookPart book_part = {part, this->encoder_.books(), this->scratch_};
    ShiftedGroup group(book_part, false, 8);
    group.load(0);
    const int g = this->group_of(first), v = this->vector_of(first);
    const float scale = this->scale_of(g);
    GroupChoice& kept = this->found_.choices[g];
    constexpr bool kSettled = std::is_same_v<Block, BlockIQ1_S>;
    const GroupChoice chosen =
        kSettled ? group.choose_as(kept.below[v], scale) : group.choose(scale);
    kept.entries[v] = chosen.entries[0];
    kept.below[v] = chosen.below[0];
    const kernels::Entries entries = this->encoder_.books().iq1[chosen.below[0] ? 1 : 0].entries();
    for (int i = 0; i < 8; ++i)
      values[i] = scale * static_cast<float>(entries.values[i * entries.count + chosen.entries[0]]);
  }
};

}  // namespace

std::unique_ptr<Grid> make_book_grid(DType type, const Encoder& encoder, EncodeScratch* scratch) {
  const Codebooks& books = encoder.books();
  const auto made = [&]<class Kind>(const BookFormat& format) -> std::unique_ptr<Grid> {
    return std::make_unique<Kind>(format, encoder, scratch);
  };
  switch (type) {
    case DType::IQ1_S:
      return made.operator()<ShiftedGrid<BlockIQ1_S>>(
          {books.iq1[0].entries(), kMultiplesIq1, 32, false});
    case DType::IQ1_M:
      return made.operator()<ShiftedGrid<BlockIQ1_M>>(
          {books.iq1[0].entries(), kMultiplesIq1, 16, false});
    case DType::IQ2_XXS:
      return made.operator()<SignedGrid<BlockIQ2_XXS>>(
          {books.iq2_xxs.entries(), kMultiplesIq2, 32, true});
    case DType::IQ2_XS:
      return made.operator()<SignedGrid<BlockIQ2_XS>>(
          {books.iq2_xs.entries(), kMultiplesIq2, 16, true});
    case DType::IQ2_S:
      return made.operator()<SignedGrid<BlockIQ2_S>>(
          {books.iq2_s.entries(), kMultiplesIq2, 16, false});
    case DType::IQ3_XXS:
      return made.operator()<SignedGrid<BlockIQ3_XXS>>(
          {books.iq3_xxs.entries(), kMultiplesIq3Xxs, 32, true});
    case DType::IQ3_S:
      return made.operator()<SignedGrid<BlockIQ3_S>>(
          {books.iq3_s.entries(), kMultiplesIq3S, 32, false});
    default:
      return nullptr;
  }
}

}  // namespace issun::quantize
