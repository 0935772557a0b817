#include "serve/api.h"
namespace issun::serve {
void add_ollama(std::vector<Endpoint>&) {}
}  // namespace issun::serve
