#!/bin/sh
# install_wasm.sh: what the preset wasm needs on a Debian machine: clang 19 with its libraries for WebAssembly, WASI's libc, and
# Node to run what was made. Headers of libraries, which are the same for every machine, are linked into build/wasm-root,
# which stands for the root of that machine: nothing else of the host is seen there.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/build/wasm-root

missing=""
# need PACKAGE PROBE...: the package is missing when the probe fails.
need() {
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}
need clang-19 command -v clang++-19
need lld-19 command -v wasm-ld-19
need llvm-19 command -v llvm-ar-19
need wasi-libc [ -e /usr/lib/wasm32-wasi/libc.a ]
need libc++-19-dev-wasm32 [ -e /usr/lib/llvm-19/lib/wasm32-wasi/libc++.a ]
need libclang-rt-19-dev-wasm32 [ -e /usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a ]
need nodejs command -v node
need libfmt-dev [ -e /usr/include/fmt/format.h ]
need libexpected-dev [ -e /usr/include/tl/expected.hpp ]
need nlohmann-json3-dev [ -e /usr/include/nlohmann/json.hpp ]
need doctest-dev [ -e /usr/include/doctest/doctest.h ]
if [ -n "$missing" ]; then
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >&2
fi

mkdir -p "$root/include" "$root/lib"
for library in fmt tl doctest nlohmann wasm32-wasi; do ln -sfn "/usr/include/$library" "$root/include/$library"; done
ln -sfn /usr/lib/wasm32-wasi "$root/lib/wasm32-wasi"
