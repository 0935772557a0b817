#include "model/model.h"

namespace issun::model {

namespace {

Result<std::unique_ptr<Model>> open_parts(gguf::GgufFile file) {
  ModelConfig config = TRY(read_config(file));
  Weights weights = TRY(Weights::bind(file, config));
  tokenizer::Tokenizer tokenizer = TRY(tokenizer::Tokenizer::create(file.metadata()));
  if (tokenizer.vocabulary_size() != config.vocabulary_size) {
    return fail("tokenizer: expected {} tokens, found {}", config.vocabulary_size,
                tokenizer.vocabulary_size());
  }
  std::string chat_template(
      TRY(file.metadata().value_or<std::string_view>("tokenizer.chat_template", "")));
  return std::unique_ptr<Model>(new Model{std::move(file), std::move(config), std::move(weights),
                                          std::move(tokenizer), std::move(chat_template)});
}

// Every error of a file begins with its path.
Result<std::unique_ptr<Model>> named(const std::string& path,
                                     Result<std::unique_ptr<Model>> opened) {
  if (opened) return opened;
  return fail("{}: {}", path, opened.error().message);
}

}  // namespace

Result<std::unique_ptr<Model>> Model::open(const std::string& path) {
  return named(path, open_parts(TRY(gguf::GgufFile::open(path))));
}

Result<std::unique_ptr<Model>> Model::from_memory(std::span<const std::byte> bytes,
                                                  const std::string& name) {
  return named(name, open_parts(TRY(gguf::GgufFile::parse(bytes, name))));
}

}  // namespace issun::model
