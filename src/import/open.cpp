#include "import/open.h"

#include "base/available_memory.h"
#include "base/clock.h"
#include "base/temporary.h"
#include "import/adapter.h"
#include "import/import.h"
#include "model/adapter.h"

namespace issun::import {

Result<std::unique_ptr<model::Model>> open_model(const std::string& path, const Say& say) {
  if (!is_importable(path)) return model::Model::open(path);
  const double began = seconds_now();
  const ImportOptions options;
  const int64_t bytes = TRY(imported_bytes(path, options));
  const int64_t available = available_memory_bytes();
  if (available >= 0 && bytes > available) {
    return fail(
        "{}: expected at most the {:.1f} GB of free memory to import on the way, found "
        "{:.1f} GB of weights; make a file of it first: issun import {} MODEL.gguf",
        path, static_cast<double>(available) * 1e-9, static_cast<double>(bytes) * 1e-9, path);
  }
  const TemporaryFile file = TRY(TemporaryFile::create("model.gguf"));
  const ImportReport report = TRY(import_model(path, file.path(), options));
  Result<std::unique_ptr<model::Model>> opened = model::Model::open(file.path());
  if (!opened) return fail("{}: {}", path, opened.error().message);
  say(fmt::format("{}: imported {:.1f} MB in {:.1f} s; issun import {} MODEL.gguf does it for good",
                  path, static_cast<double>(report.weight_bytes) * 1e-6, seconds_now() - began,
                  path));
  return opened;
}

Result<void> add_adapter(model::Model& model, const std::string& path, float scale) {
  if (!is_directory(path)) {
    return model::add_adapter(model, TRY(gguf::GgufFile::open(path)), path, scale);
  }
  const TemporaryFile file = TRY(TemporaryFile::create("adapter.gguf"));
  TRY(import_adapter(path, model, file.path()));
  return model::add_adapter(model, TRY(gguf::GgufFile::open(file.path())), path, scale);
}

}  // namespace issun::import
