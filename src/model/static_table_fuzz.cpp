// libFuzzer target: the tensors of a static model are refused, or every token's row can be read.
// The first two bytes choose how long the safetensors table is.
#include "model/static_table.h"
#include "safetensors/made_up.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace issun;
  if (size < 2) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t length = std::min<size_t>(rest.size(), data[0] + 256 * size_t{data[1]});
  const auto bytes = safetensors::made_up_file(rest.substr(0, length), rest.substr(length));
  const auto file = safetensors::SafetensorsFile::parse(bytes, "fuzz");
  if (!file) return 0;
  const auto table = model::StaticTable::read_from(*file);
  if (!table) return 0;
  std::vector<float> row(static_cast<size_t>(table->width()));
  for (int token = 0; token < table->tokens(); ++token) table->read(token, row);
  return 0;
}
