// libFuzzer target: any llama2.c model or tokenizer is refused, or its tensors lie in the file.
#include "import/encode_made.h"
#include "import/prepared.h"
#include "import/rows.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace issun::import;
  const auto bytes = std::as_bytes(std::span(data, size));
  Prepared prepared("llama");
  if (read_llama2c(bytes, prepared)) {
    for (const PlannedTensor& tensor : prepared.plan.tensors) {
      const auto rows = RowReader::create(tensor);
      if (!rows) __builtin_trap();
      std::vector<float> row(static_cast<size_t>(tensor.columns));
      for (int64_t r = 0; r < tensor.rows(); ++r) rows->read(r, row);
    }
  }
  const auto vocabulary = read_llama2c_tokenizer(bytes, "fuzz", size > 0 ? data[0] : 0);
  if (vocabulary && !vocabulary->tokens.empty()) encode_made(*vocabulary);
  return 0;
}
