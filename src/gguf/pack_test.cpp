#include "gguf/pack.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "contains.h"
#include "gguf/expert_names.h"
#include "gguf/value.h"
#include "gguf/writer.h"
#include "scratch_folder.h"

using namespace issun;
using namespace issun::gguf;

namespace {

struct Piece {
  std::string name;
  DType type;
  std::vector<int64_t> size;
};

constexpr int64_t kExperts = 3;

std::vector<Piece> stacks_of(int layer) {
  const std::string block = "blk." + std::to_string(layer) + ".";
  return {{block + "ffn_down_exps.weight", DType::Q5_0, {32, 64, kExperts}},
          {block + "attn_norm.weight", DType::F32, {64}},
          {block + "ffn_gate_exps.weight", DType::Q4_0, {64, 32, kExperts}},
          {block + "ffn_down_exps.bias", DType::F32, {64, kExperts}},
          {block + "ffn_up_exps.weight", DType::Q8_0, {64, 32, kExperts}}};
}

std::vector<Piece> model_pieces() {
  std::vector<Piece> pieces = stacks_of(10);
  const std::vector<Piece> more = stacks_of(2);
  pieces.insert(pieces.end(), more.begin(), more.end());
  pieces.push_back({"output.weight", DType::F16, {64, 5}});
  return pieces;
}

// Random bytes: what they mean does not matter to who moves them.
void write_file(const std::string& path, const std::vector<Piece>& pieces, int part = 0,
                int parts = 1) {
  auto writer = *GgufWriter::create(path);
  REQUIRE(writer.set("general.architecture", make_string("made-up")));
  REQUIRE(writer.set("made-up.expert_count", make_u32(kExperts)));
  if (parts > 1) {
    REQUIRE(writer.set("split.no", make_u32(static_cast<uint32_t>(part))));
    REQUIRE(writer.set("split.count", make_u32(static_cast<uint32_t>(parts))));
  }
  for (const Piece& piece : pieces) REQUIRE(writer.add_tensor(piece.name, piece.type, piece.size));
  std::mt19937 random(static_cast<unsigned>(7 + part));
  while (writer.missing_bytes() > 0) {
    std::vector<std::byte> bytes(static_cast<size_t>(writer.missing_bytes()));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    REQUIRE(writer.append(bytes));
  }
  REQUIRE(writer.finish());
}

std::string bytes_of(const Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data), static_cast<size_t>(tensor.bytes())};
}

void expect_same_tensors(const GgufFile& a, const GgufFile& b) {
  REQUIRE(a.tensors().size() == b.tensors().size());
  for (const Tensor& tensor : a.tensors()) {
    INFO(tensor.name);
    const Tensor other = b.find(tensor.name);
    REQUIRE(other);
    CHECK(other.type == tensor.type);
    CHECK(other.size == tensor.size);
    CHECK(bytes_of(other) == bytes_of(tensor));
  }
}

void expect_packed(const GgufFile& packed, const GgufFile& source) {
  CHECK(packed.alignment() == 4096);
  for (const int layer : {2, 10}) {
    const std::byte* next = nullptr;  // where the expert's next tensor has to begin
    for (int e = 0; e < kExperts; ++e) {
      for (const char* part : {"ffn_gate", "ffn_up", "ffn_down"}) {
        const ExpertName name{layer, part, e};
        INFO(name.alone(e));
        const Tensor tensor = packed.find(name.alone(e));
        const Tensor stack = source.find(name.in_stack());
        REQUIRE(tensor);
        CHECK(tensor.type == stack.type);
        CHECK(bytes_of(tensor) ==
              bytes_of(stack).substr(static_cast<size_t>(e * stack.bytes() / kExperts),
                                     static_cast<size_t>(stack.bytes() / kExperts)));
        CHECK((tensor.data - packed.parts()[0].bytes().data()) % 4096 == 0);
        if (next != nullptr) CHECK(tensor.data == next);
        next = tensor.data + (tensor.bytes() + 4095) / 4096 * 4096;
      }
    }
  }
}

std::string refusal(const Result<PackReport>& report) {
  REQUIRE_FALSE(report.has_value());
  return report.error().message;
}
}  // namespace

TEST_CASE("names of experts are read in both forms and made again, and no others are") {
  for (const char* text : {"blk.0.ffn_up.0.weight", "blk.12.ffn_gate.127.weight",
                           "blk.3.ffn_gate_up.5.weight", "blk.47.ffn_down.10.weight"}) {
    INFO(text);
    const auto name = expert_name(text);
    REQUIRE(name);
    CHECK(name->alone(name->expert) == text);
    CHECK(expert_name(name_in_stack(text))->expert == ExpertName::kAll);
    CHECK(expert_name(name_in_stack(text))->in_stack() == name_in_stack(text));
  }
  CHECK(name_in_stack("blk.3.ffn_gate_up.5.weight") == "blk.3.ffn_gate_up_exps.weight");
  for (const char* text :
       {"blk.0.ffn_up.weight", "blk.0.ffn_up_shexp.weight", "blk.0.ffn_up_exps.bias",
        "blk.0.ffn_down_exps.scale", "blk.0.ffn_gate_inp.weight", "blk.0.ffn_up.-1.weight",
        "blk.0.ffn_up.01.weight", "blk.00.ffn_up.1.weight", "blk.ffn_up.1.weight",
        "blk.0.ffn_up.1.weights", "xblk.0.ffn_up.1.weight", "blk.0.ffn_up.99999999999.weight", "",
        "blk.", "blk.0.ffn_up."}) {
    INFO(text);
    CHECK_FALSE(expert_name(text));
    CHECK(name_in_stack(text) == text);
  }
}

TEST_CASE("a packed expert lies in one piece from a page on, and comes back bit for bit") {
  const ScratchFolder folder;
  write_file(folder.path("m.gguf"), model_pieces());
  const GgufFile source = *GgufFile::open(folder.path("m.gguf"));
  const auto report = pack_experts(source, folder.path("packed.gguf"));
  REQUIRE_MESSAGE(report, (report ? "" : report.error().message));
  CHECK(report->before.reads == 3);
  CHECK(report->after.reads == 1);
  CHECK(report->after.layers == 2);
  CHECK(report->after.experts == 2 * kExperts);
  CHECK(report->bytes == source.data_bytes());
  const GgufFile packed = *GgufFile::open(folder.path("packed.gguf"));
  expect_packed(packed, source);
  CHECK(report->after.expert_bytes == 2 * 4096 + packed.find("blk.2.ffn_down.0.weight").bytes());
  int64_t padding = 0;
  for (const Tensor& tensor : packed.tensors()) padding += 4096 - tensor.bytes() % 4096;
  CHECK(report->after.padding_bytes == padding);
  CHECK(*packed.metadata().require<int64_t>("made-up.expert_count") == kExperts);
  // Everything else comes first, in its order.
  std::vector<std::string> first;
  for (const Tensor& tensor : packed.tensors().first(5)) first.emplace_back(tensor.name);
  CHECK(first == std::vector<std::string>{"blk.10.attn_norm.weight", "blk.10.ffn_down_exps.bias",
                                          "blk.2.attn_norm.weight", "blk.2.ffn_down_exps.bias",
                                          "output.weight"});
  REQUIRE(unpack_experts(packed, folder.path("back.gguf")));
  const GgufFile back = *GgufFile::open(folder.path("back.gguf"));
  expect_same_tensors(source, back);
  CHECK(back.alignment() == 32);
  CHECK(back.metadata().entries().size() == source.metadata().entries().size());
  // What is packed already, or was in tensors of their own without pages, is packed as well.
  REQUIRE(pack_experts(packed, folder.path("again.gguf")));
  expect_same_tensors(packed, *GgufFile::open(folder.path("again.gguf")));
}

TEST_CASE("a split file is packed into one, and gate and up in one matrix stay so") {
  const ScratchFolder folder;
  std::vector<Piece> some = {{"blk.0.ffn_gate_up_exps.weight", DType::Q8_0, {64, 64, kExperts}}};
  write_file(folder.path("m-00001-of-00002.gguf"), some, 0, 2);
  write_file(folder.path("m-00002-of-00002.gguf"),
             {{"blk.0.ffn_down_exps.weight", DType::Q8_0, {32, 64, kExperts}}}, 1, 2);
  const GgufFile source = *GgufFile::open(folder.path("m-00001-of-00002.gguf"));
  const auto report = pack_experts(source, folder.path("packed.gguf"));
  REQUIRE(report);
  CHECK(report->before.reads == 2);
  CHECK(report->after.reads == 1);
  const GgufFile packed = *GgufFile::open(folder.path("packed.gguf"));
  CHECK(packed.parts().size() == 1);
  CHECK(packed.find("blk.0.ffn_gate_up.2.weight"));
  REQUIRE(unpack_experts(packed, folder.path("back.gguf")));
  expect_same_tensors(source, *GgufFile::open(folder.path("back.gguf")));
}

TEST_CASE("what cannot be packed or unpacked is refused by name, and nothing is written") {
  const ScratchFolder folder;
  const auto from = [&](const std::vector<Piece>& pieces) {
    write_file(folder.path("m.gguf"), pieces);
    return *GgufFile::open(folder.path("m.gguf"));
  };
  const std::string out = folder.path("out.gguf");
  CHECK(contains(refusal(pack_experts(from({{"blk.0.ffn_up.weight", DType::F32, {8, 8}}}), out)),
                 "expected a mixture of experts"));
  CHECK(contains(refusal(unpack_experts(from(model_pieces()), out)), "tensors of their own"));
  const Piece up{"blk.0.ffn_up_exps.weight", DType::F32, {8, 8, 3}};
  CHECK(contains(
      refusal(pack_experts(from({up, {"blk.0.ffn_down_exps.weight", DType::F32, {8, 8, 4}}}), out)),
      "blk.0.ffn_down_exps.weight"));
  CHECK(contains(
      refusal(pack_experts(from({up, {"blk.0.ffn_up.1.weight", DType::F32, {8, 8}}}), out)),
      "in one form"));
  const auto single = [](int e, DType type = DType::F32, int64_t rows = 8) {
    return Piece{ExpertName{0, "ffn_up", e}.alone(e), type, {32, rows}};
  };
  const std::string types =
      refusal(unpack_experts(from({single(0), single(1, DType::Q8_0), single(2)}), out));
  CHECK(contains(types, "blk.0.ffn_up.1.weight: expected F32, as blk.0.ffn_up.0.weight has"));
  CHECK(contains(refusal(unpack_experts(from({single(0), single(2)}), out)),
                 "blk.0.ffn_up.1.weight"));
  CHECK(contains(refusal(unpack_experts(from({single(0), single(1)}), out)),
                 "blk.0.ffn_up.2.weight"));
  CHECK(
      contains(refusal(unpack_experts(from({single(0), single(1, DType::F32, 9), single(2)}), out)),
               "blk.0.ffn_up.1.weight: expected a matrix of 8 rows"));
  CHECK(folder.count() == 1);
}
