#include "base/json.h"

#include "base/json_reader.h"

namespace issun {

class JsonTree {
 public:
  explicit JsonTree(JsonReader& reader) : reader_(reader) {}

  Result<Json> element() {
    Json value;
    switch (reader_.peek()) {
      case JsonReader::Kind::Object: {
        Json::Object& members = value.data_.emplace<Json::Object>();
        TRY(reader_.object([&](std::string& key) -> Result<void> {
          Json member = TRY(element());
          members.emplace_back(std::move(key), std::move(member));
          return {};
        }));
        return value;
      }
      case JsonReader::Kind::Array: {
        Json::Array& items = value.data_.emplace<Json::Array>();
        TRY(reader_.array([&]() -> Result<void> {
          items.push_back(TRY(element()));
          return {};
        }));
        return value;
      }
      case JsonReader::Kind::String:
        value.data_ = TRY(reader_.string());
        return value;
      case JsonReader::Kind::Number: {
        const JsonNumber number = TRY(reader_.number());
        if (number.whole) {
          value.data_ = number.integer;
        } else {
          value.data_ = number.value;
        }
        return value;
      }
      case JsonReader::Kind::Bool:
        value.data_ = TRY(reader_.boolean());
        return value;
      case JsonReader::Kind::Null:
      case JsonReader::Kind::None:
        break;
    }
    TRY(reader_.skip());  // null, or the error
    return value;
  }

 private:
  JsonReader& reader_;
};

Result<Json> Json::parse(std::string_view text) {
  JsonReader reader(text);
  Json value = TRY(read(reader));
  TRY(reader.end());
  return value;
}

Result<Json> Json::read(JsonReader& reader) { return JsonTree(reader).element(); }

const Json::Array& Json::items() const {
  static const Array none;
  return is_array() ? std::get<Array>(data_) : none;
}

const Json::Object& Json::members() const {
  static const Object none;
  return is_object() ? std::get<Object>(data_) : none;
}

const Json& Json::operator[](std::string_view key) const {
  static const Json null;
  const Object& all = members();
  for (auto member = all.rbegin(); member != all.rend(); ++member) {
    if (member->first == key) return member->second;
  }
  return null;
}

}  // namespace issun
