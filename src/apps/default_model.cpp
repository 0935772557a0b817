#include "apps/default_model.h"

#include "base/embedded_file.h"

// models/README.md says where it comes from.
ISSUN_EMBED(model_file, ISSUN_DEFAULT_MODEL)

namespace issun::apps {

std::span<const std::byte> default_model() { return model_file(); }

}  // namespace issun::apps
