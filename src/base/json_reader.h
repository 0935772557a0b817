// JSON read from front to back, value after value: what is not wanted is skipped and costs nothing.
// As strict as RFC 8259; text that is no UTF-8 is refused. Not here: a document as a tree (json.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace issun {

struct JsonNumber {
  bool whole = false;   // written as an integer that fits 64 bits
  int64_t integer = 0;  // if whole
  double value = 0;     // always, as near as a double comes
};

class JsonReader {
 public:
  static constexpr int kNesting = 200;
  enum class Kind { Object, Array, String, Number, Bool, Null, None };

  // The text must outlive the reader.
  explicit JsonReader(std::string_view text) : text_(text) {}

  // What the next value is; None at the end, and where no value can begin.
  Kind peek();
  size_t at() const { return at_; }

  // Error of all that follow: the next value is another, or malformed; with the byte where. After
  // an error nothing more may be read.

  // body(std::string& key) for each member in order; it has to read the value, or skip() it.
  template <class Body>
  Result<void> object(Body&& body);
  // body() for each element; it has to read it, or skip() it.
  template <class Body>
  Result<void> array(Body&& body);
  Result<std::string> string();  // unescaped; half a surrogate pair becomes U+FFFD
  Result<JsonNumber> number();
  Result<bool> boolean();
  Result<void> null();
  Result<void> skip();  // any value
  // Only blanks are left.
  Result<void> end();

 private:
  void skip_blanks();
  bool take(char character);  // after blanks
  bool take_word(std::string_view word);
  Result<void> open(char bracket);
  Result<void> close(char bracket);
  Result<std::string> key();
  Result<void> escape(std::string* out);
  Result<uint32_t> hex4();
  // Why the next value is not what was expected.
  tl::unexpected<Error> other_than(std::string_view expected);

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

template <class Body>
Result<void> JsonReader::object(Body&& body) {
  TRY(open('{'));
  if (!take('}')) {
    do {
      std::string name = TRY(key());
      TRY(body(name));
    } while (take(','));
    TRY(close('}'));
  }
  --depth_;
  return {};
}

template <class Body>
Result<void> JsonReader::array(Body&& body) {
  TRY(open('['));
  if (!take(']')) {
    do {
      TRY(body());
    } while (take(','));
    TRY(close(']'));
  }
  --depth_;
  return {};
}

}  // namespace issun
