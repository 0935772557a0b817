// Answers that must call a tool: from what the template and the tools' definitions say to a
// grammar.
#include <algorithm>

#include "chat/call_grammar.h"
#include "chat/tool_calls_tagged.h"
#include "serve/api_error.h"
#include "serve/served_model.h"

namespace issun::serve {

namespace {

// Keywords beside which it is not for `properties` alone to say which there are.
constexpr const char* kOpenKeywords[] = {"additionalProperties",
                                         "unevaluatedProperties",
                                         "patternProperties",
                                         "propertyNames",
                                         "allOf",
                                         "anyOf",
                                         "oneOf",
                                         "not",
                                         "if",
                                         "enum",
                                         "const",
                                         "$ref",
                                         "$dynamicRef",
                                         "$recursiveRef",
                                         "dependentSchemas",
                                         "dependentRequired",
                                         "dependencies",
                                         "minProperties"};

bool requires_others(const Json& schema) {
  const Json names = schema.value("required", Json::array());
  const Json properties = schema.value("properties", Json::object());
  if (!names.is_array() || !properties.is_object()) return false;
  return std::any_of(names.begin(), names.end(), [&](const Json& name) {
    return name.is_string() && !properties.contains(name.get<std::string>());
  });
}

// Whether these are also the arguments of a call, which are an object.
bool names_object(const Json& type) {
  return type == "object" ||
         (type.is_array() && std::find(type.begin(), type.end(), "object") != type.end());
}

// The schema of a tool's arguments. A tool takes the parameters that it names and no others, where
// its schema does not say otherwise.
Json arguments_schema(const Json& function, const std::string& place) {
  Json schema = function.value("parameters", Json());
  if (schema.is_null() || schema == true) schema = Json::object();
  if (!schema.is_object())
    throw bad_request(place, "expected a JSON Schema, an object, to hold a call to");
  if (schema.contains("type") && !names_object(schema["type"]))
    throw bad_request(place, "expected the type object, found {}", dump(schema["type"]));
  schema["type"] = "object";
  const bool open = std::any_of(std::begin(kOpenKeywords), std::end(kOpenKeywords),
                                [&](const char* keyword) { return schema.contains(keyword); });
  if (!open && !requires_others(schema)) schema["additionalProperties"] = false;
  return schema;
}

std::vector<std::string> texts_of_ends(const tokenizer::Tokenizer& tokenizer) {
  std::vector<std::string> texts;
  for (const tokenizer::Token end : tokenizer.ends()) texts.emplace_back(tokenizer.token_text(end));
  return texts;
}

}  // namespace

std::shared_ptr<const grammar::Grammar> ServedModel::grammar_of_calls(const Talk& talk,
                                                                      const chat::ChatInput& input,
                                                                      const Prompt& prompt) {
  const auto form = chat::call_form(template_, input, prompt.format, texts_of_ends(tokenizer()));
  if (!form)
    throw ApiError{.status = 501,
                   .message =
                       "tool_choice: expected auto or none: a call cannot be forced, since "
                       "this model's chat template writes calls in a form that is not held "
                       "to a grammar",
                   .param = "tool_choice"};
  std::vector<chat::CallableTool> tools;
  std::vector<grammar::NamedSchema> schemas;
  const auto may_call = [&](const std::string& name) {
    const auto& names = talk.calls.names;
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  for (size_t i = 0; i < talk.tools.size(); ++i) {
    const Json& function = talk.tools[i]["function"];
    const std::string name = function["name"];
    if (!may_call(name)) continue;
    if (!chat::is_tool_name(name))
      throw bad_request(fmt::format("tools[{}].function.name", i),
                        "expected letters, digits and any of _-.:/$, found '{}'", name);
    const std::string place = fmt::format("tools[{}].function.parameters", i);
    const std::string rule = fmt::format("arguments-{}", i);
    schemas.push_back({rule, dump(arguments_schema(function, place)), place});
    tools.push_back({name, rule});
  }
  const std::string gbnf = chat::call_grammar({.form = *form,
                                               .format = prompt.format,
                                               .tools = tools,
                                               .one_call = talk.calls.one,
                                               .prompt = prompt.text},
                                              tokenizer());
  std::string source = "calls " + gbnf;
  for (const grammar::NamedSchema& schema : schemas) source += schema.json + "\n";
  return compiled(std::move(source), "tools",
                  [&] { return grammar::Grammar::from_gbnf(gbnf, &tokenizer(), schemas); });
}

}  // namespace issun::serve
