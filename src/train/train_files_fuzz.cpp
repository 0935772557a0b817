// libFuzzer target: any bytes are refused as a token store, as a checkpoint and as a curve, or all
// that they have can be read. The first byte says which, and whether the checksums are made right,
// which the fuzzer would not guess.
#include <cstdint>
#include <cstring>
#include <vector>

#include "train/batches.h"
#include "train/checkpoint.h"
#include "train/curve.h"
#include "train/curve_svg.h"
#include "train/token_file.h"
#include "train/token_store.h"

namespace {

using namespace issun;
using namespace issun::train;

constexpr int kVocabulary = 1000;

// A file whose sums are right, of the parts of one that may have any length.
void mend_store(std::vector<std::byte>& bytes) {
  if (bytes.size() < sizeof(StoreHead) + sizeof(StoreTrailer)) return;
  StoreHead head{{}, kStoreVersion, 2};
  std::memcpy(head.magic, kStoreMagic, sizeof head.magic);
  std::memcpy(bytes.data(), &head, sizeof head);
  std::byte* end = bytes.data() + bytes.size() - sizeof(StoreTrailer);
  StoreTrailer trailer;
  std::memcpy(&trailer, end, sizeof trailer);
  BlockHash hash;
  hash.add(std::span(bytes).first(bytes.size() - sizeof trailer));
  trailer.payload_hash = hash.value();
  trailer.trailer_hash = hash_of_numbers(trailer);
  std::memcpy(end, &trailer, sizeof trailer);
}

void touch_store(std::span<const std::byte> bytes) {
  const auto store = TokenStore::parse(bytes, "fuzz", kVocabulary);
  if (!store) return;
  for (int64_t t = 0; t < store->tokens(); ++t) {
    if (store->token(t) < 0 || store->token(t) >= kVocabulary) __builtin_trap();
  }
  const auto sides = split_documents(*store, {.valid_share = 0.1, .seed = 1});
  if (!sides) return;
  const auto batches =
      Batches::create(*store, sides->train, {.length = 8, .long_talk = LongTalk::Truncate});
  if (!batches) return;
  DataState state;
  Batch batch;
  int64_t used = 0;
  while (state.epoch == 0) {
    batches->next(1, &state, &batch);
    used += batch.used;
  }
  if (used != batches->tokens()) __builtin_trap();
}

void touch_checkpoint(std::span<const std::byte> bytes) {
  const auto checkpoint = Checkpoint::parse(bytes, "fuzz");
  if (!checkpoint) return;
  volatile unsigned sum = 0;
  for (const Section& section : checkpoint->sections()) {
    for (const std::byte byte : section.bytes) sum = sum + static_cast<unsigned>(byte);
    (void)checkpoint->section(section.name, 8);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto input = std::as_bytes(std::span(data + 1, size - 1));
  std::vector<std::byte> bytes(input.begin(), input.end());
  switch (data[0] % 4) {
    case 0:
      mend_store(bytes);
      [[fallthrough]];
    case 1:
      touch_store(bytes);
      break;
    case 2:
      touch_checkpoint(bytes);
      break;
    default: {
      const std::string_view csv(reinterpret_cast<const char*>(data) + 1, size - 1);
      const auto rows = read_curve(csv, "fuzz");
      if (rows) (void)curve_svg(*rows, "fuzz");
    }
  }
  return 0;
}
