// One block of each format, from a part of a row.
#pragma once

#include "quantize/encode.h"
#include "quantize/groups.h"
#include "tensor/blocks.h"

namespace issun::quantize {

// Blocks whose groups are so few that two of them are searched at once; they lie one after another.
template <class Block>
struct Two {
  Block blocks[2];
};

// encode_line.cpp: a scale and a smallest value.
void encode(const Part& part, BlockQ4_1* block);
void encode(const Part& part, BlockQ5_1* block);
void encode(const Part& part, BlockQ2_K* block);
void encode(const Part& part, Two<BlockQ4_K>* two);
void encode(const Part& part, Two<BlockQ5_K>* two);

// encode_scale.cpp: a scale.
void encode(const Part& part, BlockQ4_0* block);
void encode(const Part& part, BlockQ5_0* block);
void encode(const Part& part, BlockQ8_0* block);
void encode(const Part& part, BlockQ3_K* block);
void encode(const Part& part, BlockQ6_K* block);
void encode(const Part& part, BlockIQ4_NL* block);
void encode(const Part& part, Two<BlockIQ4_XS>* two);

// encode_few.cpp: one, two or three values and their negatives, and floats of four bits.
void encode(const Part& part, BlockQ1_0* block);
void encode(const Part& part, BlockQ2_0* block);
void encode(const Part& part, BlockTQ1_0* block);
void encode(const Part& part, BlockTQ2_0* block);
void encode(const Part& part, BlockMXFP4* block);
void encode(const Part& part, BlockNVFP4* block);

// encode_book.cpp: entries of codebooks.
struct BookPart {
  const Part& part;
  const Codebooks& books;
  EncodeScratch* scratch;
};
void encode(const BookPart& part, BlockIQ1_S* block);
void encode(const BookPart& part, BlockIQ1_M* block);
void encode(const BookPart& part, BlockIQ2_XXS* block);
void encode(const BookPart& part, BlockIQ2_XS* block);
void encode(const BookPart& part, BlockIQ2_S* block);
void encode(const BookPart& part, BlockIQ3_XXS* block);
void encode(const BookPart& part, BlockIQ3_S* block);

}  // namespace issun::quantize
