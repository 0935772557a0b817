#include "serve/api.h"
namespace issun::serve {
void add_responses(std::vector<Endpoint>&) {}
}  // namespace issun::serve
