// Any bytes as the body of a request to any endpoint: an answer or an error that is the client's
// own doing, in JSON.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "serve/request_trial.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace issun::serve;
  static RequestTrial trial;
  const auto answer = trial.ask({reinterpret_cast<const char*>(data), size});
  CHECK_THAT(answer->status != 0 && answer->status != 500);
  if (answer->status != 200) CHECK_THAT(Json::accept(answer->body));
  return 0;
}
