// The fields that requests for text have in common, by all the names people know: sampling, length,
// ends, constraints.
#pragma once

#include <string>

#include "serve/answering.h"
#include "serve/fields.h"
#include "serve/served_model.h"

namespace issun::serve {

struct Defaults {
  engine::SamplerOptions sampling;  // where a request says nothing
  int max_tokens = -1;
};

// Sampling by the names of llama.cpp and of the OpenAI API; without a seed a random one.
engine::SamplerOptions read_sampling(Fields& fields, const Defaults& defaults);

// Everything of Asked but the prompt: sampling, max_tokens, stop, ignore_eos, n, priority,
// timeout_ms, lora, grammar, json_schema, response_format.
Asked read_asked(Fields& fields, const Defaults& defaults, ServedModel& model);

// Error: the field names another model than the one that is served.
void check_model(Fields& fields, const ServedModel& model);

// Names for a header: a few, short, of visible ASCII; what is none becomes a question mark.
std::string header_list(const std::vector<std::string>& names);
// The content type, and the names of the fields that nothing here looks at.
Headers headers_of(const Fields& fields, const char* content_type);

}  // namespace issun::serve
