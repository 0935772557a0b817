// The folder where fetched models are kept, shared by all who use the program: what is in it, by
// what name, and where from. Not here: how they get there (pull.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fetch/address.h"

namespace issun::fetch {

struct StoredFile {
  std::string path;
  int64_t bytes = 0;
  std::string sha256 = {};     // empty: not here yet
  std::string validator = {};  // what the server called this version of it
};

struct StoredModel {
  std::string name = {};
  std::string source = {};             // an address; empty: somebody put the file there
  std::string type = {};               // of its weights
  long long changed = 0;               // unix seconds
  bool complete = false;               // all files are here, checked
  std::vector<StoredFile> files = {};  // the first is the one to open

  const std::string& path() const { return files.front().path; }
  int64_t bytes() const;       // of all files when they are whole
  int64_t bytes_here() const;  // what they take of the disk now, half-fetched ones too
};

// Beside FILE.gguf lies FILE.gguf.json, the record that says what it is; of a split model beside
// its first part. hf/OWNER/NAME/ has what came from a hub, url/ what came from elsewhere. A GGUF
// file in the folder itself, without a record, counts too and is called by its file's name.
class Store {
 public:
  explicit Store(std::string folder) : folder_(std::move(folder)) {
    while (folder_.size() > 1 && folder_.ends_with('/')) folder_.pop_back();
  }
  // $ISSUN_MODELS, else $XDG_CACHE_HOME/issun/models, else ~/.cache/issun/models. Error: none of
  // these variables is set.
  static Result<Store> of_user();

  const std::string& folder() const { return folder_; }
  // By name; nothing where there is no folder yet. Error: it cannot be read, a broken record.
  Result<std::vector<StoredModel>> list() const;
  // The complete model that is called so (case does not count where that leaves one), or comes from
  // this address. Error: several are meant; list().
  Result<std::optional<StoredModel>> find(const Address& address) const;
  // Complete or not, by exactly this name.
  Result<std::optional<StoredModel>> named(std::string_view name) const;
  // The model whose first file is `path`, if it has a record.
  static Result<std::optional<StoredModel>> recorded(const std::string& path);
  // Writes the record; folders are made.
  static Result<void> record(const StoredModel& model);
  // Its files, what was fetched of them, its record, and the folders that are empty then.
  Result<void> remove(const StoredModel& model) const;

  // Where files of a hub's repository and of an address go.
  std::string hub_path(std::string_view repository, std::string_view file) const;
  std::string url_path(std::string_view file) const;

 private:
  Result<StoredModel> placed_by_hand(const std::string& path) const;
  std::string folder_;
};

// The type of most of the weights' bytes ("Q4_K"). Error: no GGUF file.
Result<std::string> main_type(const std::string& path);

}  // namespace issun::fetch
