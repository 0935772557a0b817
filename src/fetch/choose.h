// Which of a repository's files are meant: a type of weights, all parts of a split model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fetch/address.h"
#include "fetch/hub.h"

namespace issun::fetch {

// One model of a repository: a file, or the parts of a split one, the first to be opened first.
struct HubModel {
  std::string type;  // as type_label() reads it
  std::vector<HubFile> files = {};
  const std::string& path() const { return files.front().path; }
  int64_t bytes() const;
};

// All models among the files: parts put together, companions (mmproj, imatrix) left out. Error: a
// split model lacks a part.
Result<std::vector<HubModel>> models_among(std::vector<HubFile> files);

// Types from the first that is wanted to the last, when nobody says which.
const std::vector<std::string>& type_preference();

// The one that `address` (of a repository) means. Error: none, or several; says which there are.
Result<HubModel> choose_model(const std::vector<HubModel>& models, const Address& address);

// What it is called here: OWNER/NAME:TYPE, or OWNER/NAME/FILE where another of the models has the
// same type, or it tells none.
std::string name_of(const std::vector<HubModel>& models, const HubModel& model,
                    const std::string& repository);

}  // namespace issun::fetch
