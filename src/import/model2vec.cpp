#include "import/model2vec.h"

#include "base/file.h"
#include "import/facts.h"
#include "import/vocabulary.h"

namespace issun::import {

namespace {

std::string folder_of(const std::string& path) {
  if (is_directory(path)) return path;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

bool ends_with(const Json& module, std::string_view type) {
  return module["type"].is_string() && module["type"].text().ends_with("." + std::string(type));
}

// What config.json and modules.json say.
struct Layout {
  bool is_static = false, normalised = false;
  std::string weights;  // the folder of tokenizer.json and model.safetensors
};

Result<Layout> read_layout(const std::string& folder) {
  Layout layout;
  layout.weights = folder;
  const Json config = TRY(read_json_file(folder + "/config.json"));
  layout.is_static = config["model_type"].is("model2vec");
  for (const Json& name : config["architectures"].items()) {
    layout.is_static = layout.is_static || name.is("StaticModel");
  }
  const Json modules = TRY(read_json_file(folder + "/modules.json"));
  for (const Json& module : modules.items()) {
    if (ends_with(module, "Normalize")) layout.normalised = true;
    if (!ends_with(module, "StaticEmbedding")) continue;
    layout.is_static = true;
    const bool inside = module["path"].is_string() && !module["path"].text().empty() &&
                        !module["path"].is(".") &&
                        module["path"].text().find("..") == std::string::npos;
    if (inside && is_file(folder + "/" + module["path"].text() + "/model.safetensors")) {
      layout.weights = folder + "/" + module["path"].text();
    }
  }
  if (config["normalize"].is_bool()) layout.normalised = config["normalize"].boolean();
  return layout;
}

}  // namespace

bool is_model2vec(const std::string& path) {
  if (!is_directory(path) && !path.ends_with(".safetensors") && !path.ends_with(".json")) {
    return false;
  }
  const auto layout = read_layout(folder_of(path));
  return layout && layout->is_static;
}

Result<std::unique_ptr<Model2Vec>> open_model2vec(const std::string& path) {
  const Layout layout = TRY(read_layout(folder_of(path)));
  auto opened = std::make_unique<Model2Vec>();
  opened->name = folder_of(path);
  const std::string text = layout.weights + "/tokenizer.json";
  const Vocabulary vocabulary =
      TRY(read_tokenizer_json(TRY(read_text(text, kLongestTokenizer)), text, "", false));
  set_vocabulary_keys(vocabulary, opened->keys);
  opened->metadata = opened->keys.metadata();
  Result<tokenizer::Tokenizer> tokenizer = tokenizer::Tokenizer::create(opened->metadata);
  if (!tokenizer) return fail("{}: {}", text, tokenizer.error().message);
  opened->tokenizer = std::move(*tokenizer);
  const auto unknown = vocabulary.ids.find("unk");
  if (unknown != vocabulary.ids.end() && vocabulary.model != "t5")
    opened->dropped = unknown->second;

  opened->file = TRY(safetensors::SafetensorsFile::open(layout.weights + "/model.safetensors"));
  Result<model::StaticTable> table = model::StaticTable::read_from(opened->file);
  if (!table) return fail("{}: {}", opened->file.path(), table.error().message);
  opened->table = std::move(*table);
  opened->table.normalised = layout.normalised;
  if (opened->table.tokens() < opened->tokenizer->vocabulary_size()) {
    return fail("{}: expected a row for each of {} tokens, found {}", opened->file.path(),
                opened->tokenizer->vocabulary_size(), opened->table.tokens());
  }
  return opened;
}

}  // namespace issun::import
