// Data of tasks: a JSON object a line, as a stranger wrote it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace issun::measure {

// body(object) for each line that is not blank. Error: a line that is no JSON object, or what body
// says; path and line in front. A file of gzip is refused by name.
Result<void> for_each_json_line(std::string_view text, const std::string& path,
                                const std::function<Result<void>(const Json&)>& body);

// A member of an object. Error: it is none, or of another kind.
Result<std::string> text_of(const Json& object, std::string_view key);
Result<int64_t> integer_of(const Json& object, std::string_view key);
Result<double> number_of(const Json& object, std::string_view key);
Result<bool> boolean_of(const Json& object, std::string_view key);
Result<std::vector<std::string>> texts_of(const Json& object, std::string_view key);

}  // namespace issun::measure
