// Files that are part of the program: the assembler puts their bytes into it.
#pragma once

#include <cstddef>
#include <span>

// Defines `static std::span<const std::byte> symbol()`, the bytes of the file. Once in a program,
// at the top of a source file, outside of namespaces. The file is no dependency that a compiler
// sees: CMake has to be told (OBJECT_DEPENDS).
#define ISSUN_EMBED(symbol, path)                    \
  __asm__(                                           \
      ".section .rodata\n"                           \
      ".balign 64\n"                                 \
      ".global issun_" #symbol                       \
      "\n"                                           \
      "issun_" #symbol                               \
      ":\n"                                          \
      ".incbin \"" path                              \
      "\"\n"                                         \
      ".global issun_" #symbol                       \
      "_end\n"                                       \
      "issun_" #symbol                               \
      "_end:\n"                                      \
      ".byte 0\n"                                    \
      ".previous\n");                                \
  extern "C" const std::byte issun_##symbol[];       \
  extern "C" const std::byte issun_##symbol##_end[]; \
  static std::span<const std::byte> symbol() { return {issun_##symbol, issun_##symbol##_end}; }
