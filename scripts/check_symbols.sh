#!/bin/sh
# Code compiled for one instruction set must not offer a function that the linker could pick for portable
# code: no weak or common symbol in the objects of src/kernels/isa. Usage: check_symbols.sh libissun_kernels.a [nm]
set -eu
# Lines are archive:object:address kind name.
symbols=$("${2:-nm}" -A -C "$1" | grep -E '^[^:]*:(scalar|avx[^:]*|neon[^:]*|wasm[^:]*)\.cpp\.o(bj)?:') ||
  { echo "no isa objects in $1" >&2; exit 1; }
if printf '%s\n' "$symbols" | grep -E ' [WVuCw] ' | grep -v ' __asan\| __ubsan\| __tsan\| __cxa\| DW.ref\| _ITM\| __gmon'; then
  echo "$1: the symbols above are weak or common; they must be in the unnamed namespace" >&2
  exit 1
fi
