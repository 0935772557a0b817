// The keys of the file to come, collected before it is written.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/metadata.h"
#include "gguf/writer.h"
#include "import/facts.h"

namespace issun::import {

class Keys {
 public:
  // Keys of the architecture go under its name: set("block_count", ...).
  explicit Keys(std::string_view architecture) : architecture_(architecture) {}

  const std::string& architecture() const { return architecture_; }
  // A later value of the same key replaces the earlier.
  void set_general(std::string_view key, gguf::Value value);  // key as it is
  void set(std::string_view key, gguf::Value value);          // ARCHITECTURE.key
  void set_count(std::string_view key, int64_t count);
  void set_number(std::string_view key, double number);
  void set_flag(std::string_view key, bool flag);
  void set_text(std::string_view key, std::string text);
  void set_flags(std::string_view key, const std::vector<bool>& flags);
  void set_counts(std::string_view key, std::span<const int32_t> counts);
  // Takes back what an architecture means otherwise.
  void drop(std::string_view key);
  // Keeps a text for values that are views into it.
  std::string_view keep(std::string text) { return kept_.emplace_back(std::move(text)); }

  const gguf::Value* find(std::string_view full_key) const;
  // Whether the architecture has that key.
  bool has(std::string_view key) const { return find(architecture_ + "." + std::string(key)); }
  Result<void> write(gguf::GgufWriter& writer) const;
  // The same as a file would give them back; views into this object.
  gguf::Metadata metadata() const;

 private:
  std::string architecture_;
  std::deque<std::string> kept_;
  std::vector<std::pair<std::string, gguf::Value>> values_;
};

}  // namespace issun::import
