#include "tensor/dtype.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "tensor/tensor.h"

using namespace issun;

TEST_CASE("every id of the format has its name, block and bits per weight") {
  // By the specification's table of bits per weight, and the id each name has.
  struct Row {
    int id;
    const char* name;
    int block;
    double bits;
  };
  const Row rows[] = {
      {0, "F32", 1, 32},
      {1, "F16", 1, 16},
      {2, "Q4_0", 32, 4.5},
      {3, "Q4_1", 32, 5},
      {6, "Q5_0", 32, 5.5},
      {7, "Q5_1", 32, 6},
      {8, "Q8_0", 32, 8.5},
      {10, "Q2_K", 256, 2.625},
      {11, "Q3_K", 256, 3.4375},
      {12, "Q4_K", 256, 4.5},
      {13, "Q5_K", 256, 5.5},
      {14, "Q6_K", 256, 6.5625},
      {16, "IQ2_XXS", 256, 2.0625},
      {17, "IQ2_XS", 256, 2.3125},
      {18, "IQ3_XXS", 256, 3.0625},
      {19, "IQ1_S", 256, 1.5625},
      {20, "IQ4_NL", 32, 4.5},
      {21, "IQ3_S", 256, 3.4375},
      {22, "IQ2_S", 256, 2.5625},
      {23, "IQ4_XS", 256, 4.25},
      {24, "I8", 1, 8},
      {25, "I16", 1, 16},
      {26, "I32", 1, 32},
      {27, "I64", 1, 64},
      {28, "F64", 1, 64},
      {29, "IQ1_M", 256, 1.75},
      {30, "BF16", 1, 16},
      {34, "TQ1_0", 256, 1.6875},
      {35, "TQ2_0", 256, 2.0625},
      {39, "MXFP4", 32, 4.25},
      {40, "NVFP4", 64, 4.5},
      {41, "Q1_0", 128, 1.125},
      {42, "Q2_0", 64, 2.25},
  };
  int known = 0;
  for (int id = -1; id < 50; ++id) known += dtype_facts(id).has_value() ? 1 : 0;
  CHECK(known == static_cast<int>(std::size(rows)));
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    const Result<DTypeFacts> found = dtype_facts(row.id);
    REQUIRE(found.has_value());
    CHECK(std::string(found->name) == row.name);
    CHECK(static_cast<int>(found->type) == row.id);
    CHECK(found->block == row.block);
    CHECK(found->bytes * 8.0 / found->block == row.bits);
    CHECK(dtype_from_name(row.name) == found->type);
  }
}

TEST_CASE("ids out of use are refused by the name they had") {
  const std::map<int, std::string> names = {
      {4, "Q4_2"},      {5, "Q4_3"},        {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},
      {33, "Q4_0_8_8"}, {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"},
      {9, "Q8_1"},      {15, "Q8_K"},
  };
  for (const auto& [id, old_name] : names) {
    const Result<DTypeFacts> found = dtype_facts(id);
    REQUIRE(!found.has_value());
    CHECK(found.error().message.find("found " + old_name + " (id " + std::to_string(id) + ")") !=
          std::string::npos);
  }
  for (const int id : {-1, 43, 1000, -2147483647 - 1, 2147483647}) {
    REQUIRE(!dtype_facts(id).has_value());
    CHECK(dtype_facts(id).error().message ==
          "expected a type id from 0 to 42, found " + std::to_string(id));
  }
}

TEST_CASE("names are known in upper and lower case, and nothing near them") {
  CHECK(dtype_from_name("q4_k") == DType::Q4_K);
  CHECK(dtype_from_name("Q4_k") == DType::Q4_K);
  CHECK(dtype_from_name("bf16") == DType::BF16);
  for (const char* other : {"", "Q4", "Q4_K_M", "Q4_2", "Q8_1", "Q4_K ", "4_K"})
    CHECK(!dtype_from_name(other));
}

TEST_CASE("a tensor counts its rows and bytes by its type") {
  const Tensor tensor{.name = "t", .type = DType::Q6_K, .size = {512, 3, 2, 1}, .data = nullptr};
  CHECK(tensor.rows() == 6);
  CHECK(tensor.row_bytes() == 420);
  CHECK(tensor.bytes() == 2520);
  CHECK(!tensor);
}
