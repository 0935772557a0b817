// What a study notes of a model before it begins.
#pragma once

#include <string>

#include "measure/study/plan.h"
#include "model/model.h"

namespace issun::measure {

// path: empty for the model inside the program. The name is the file's without its folder; the hash
// is of the sizes and of samples all over the tensors, so that another file is noticed without
// reading all of it.
StudyModel describe_model(const model::Model& model, const std::string& path,
                          const std::string& name);

// Makes names that are alike differ: "a.gguf", "a.gguf (2)".
void tell_apart(std::vector<StudyModel>& models);

}  // namespace issun::measure
