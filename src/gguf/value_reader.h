// Reads one value of the key-value part.
#pragma once

#include "base/result.h"
#include "gguf/cursor.h"
#include "gguf/metadata.h"

namespace issun::gguf {

// Moves the cursor past a value of type `type_id` (an id from the file, unchecked). Strings stay
// where they are; numbers are widened: memory taken is at most eight times the bytes read. Error:
// unknown type, nested array, a length beyond the bytes left, a bool other than 0 or 1.
Result<Value> read_value(Cursor& cursor, int32_t type_id);

}  // namespace issun::gguf
