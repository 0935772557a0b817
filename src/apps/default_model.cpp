#include "apps/default_model.h"

// The assembler puts the file's bytes into the program; models/README.md says where they come from.
__asm__(
    ".section .rodata\n"
    ".balign 64\n"
    ".global issun_default_model\n"
    "issun_default_model:\n"
    ".incbin \"" ISSUN_DEFAULT_MODEL
    "\"\n"
    ".global issun_default_model_end\n"
    "issun_default_model_end:\n"
    ".byte 0\n"
    ".previous\n");

extern "C" const std::byte issun_default_model[];
extern "C" const std::byte issun_default_model_end[];

namespace issun::apps {

std::span<const std::byte> default_model() {
  return {issun_default_model, issun_default_model_end};
}

}  // namespace issun::apps
