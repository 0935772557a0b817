// Templates that people ask for by name, for models whose file has none or a wrong one.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace issun::chat {

std::string known_template_names();  // "chatml, gemma, ..."

// The template of that name; or `text` itself, if it is Jinja. Error: neither, with the names.
Result<std::string> template_named(std::string_view text);

}  // namespace issun::chat
