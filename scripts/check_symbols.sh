#!/bin/sh
# Code compiled for one instruction set must not offer a function that the linker could pick for portable
# code: no weak or common symbol in the objects of src/kernels/isa. Usage: check_symbols.sh libissun_kernels.a
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
library=$(realpath "$1")
cd "$scratch"
ar x "$library"
found=0
for object in scalar.cpp.o avx*.cpp.o; do
  [ -e "$object" ] || continue
  found=1
  if nm -C "$object" | grep -E ' [WVuCw] ' | grep -v ' __asan\| __ubsan\| __tsan\| __cxa\| DW.ref\| _ITM\| __gmon'; then
    echo "$object: the symbols above are weak or common; they must be in the unnamed namespace" >&2
    exit 1
  fi
done
[ "$found" = 1 ] || { echo "no isa objects in $library" >&2; exit 1; }
