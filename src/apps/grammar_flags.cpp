#include "apps/grammar_flags.h"

#include "apps/commands.h"
#include "base/file.h"

namespace issun::apps {

void GrammarFlags::add(CLI::App& command) {
  auto* grammar = command.add_option("--grammar", grammar_, "GBNF that the answer must follow");
  auto* grammar_file =
      command.add_option("--grammar-file", grammar_file_, "read it from a file")->excludes(grammar);
  auto* schema = command.add_option("-j,--json-schema", schema_,
                                    "JSON Schema that the answer, then JSON, must satisfy");
  auto* schema_file =
      command.add_option("--json-schema-file", schema_file_, "read it from a file; also -jf");
  schema->excludes(grammar)->excludes(grammar_file);
  schema_file->excludes(schema)->excludes(grammar)->excludes(grammar_file);
  flags_ = {grammar, grammar_file, schema, schema_file};
  for (CLI::Option* flag : flags_) flag->check(expect_text);
}

void GrammarFlags::exclude(CLI::Option* flag) const {
  for (CLI::Option* own : flags_) own->excludes(flag);
}

Result<std::shared_ptr<const grammar::Grammar>> GrammarFlags::read(
    const tokenizer::Tokenizer& tokenizer) const {
  using grammar::Grammar;
  const auto text = [](const std::string& given, const std::string& file) -> Result<std::string> {
    return file.empty() ? Result<std::string>(given) : read_text(file);
  };
  if (!grammar_.empty() || !grammar_file_.empty()) {
    const std::string gbnf = TRY(text(grammar_, grammar_file_));
    return std::make_shared<const Grammar>(TRY(Grammar::from_gbnf(gbnf, &tokenizer)));
  }
  if (!schema_.empty() || !schema_file_.empty()) {
    const std::string schema = TRY(text(schema_, schema_file_));
    return std::make_shared<const Grammar>(TRY(Grammar::from_json_schema(schema)));
  }
  return std::shared_ptr<const Grammar>();
}

}  // namespace issun::apps
