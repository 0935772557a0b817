#!/bin/sh
# install.sh build|check: installs with apt what this machine lacks for building the program (build)
# or for ./check (check, which includes build). Ends at once when nothing is missing.
set -eu

# What the page's tests need is wished for, not required: without it they say that they were skipped.
if [ "$1" = check ] && ! "$(dirname "$0")/install_page.sh"; then
  echo "the tests of the page will be skipped" >&2
fi

missing=""
# need PACKAGE PROBE...: the package is missing when the probe fails.
need() {
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}
header() { [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ]; }
# Debian has some headers under the machine's kind (x86_64-linux-gnu).
multiarch_header() { header "$1" || ls /usr/include/*/"$1"; }
# exists PATTERN: the shell has expanded it; the first match decides.
exists() { [ -e "$1" ]; }

case "${1:-}" in
  build | check) ;;
  *) echo "usage: scripts/install.sh build|check" >&2; exit 2 ;;
esac

need g++ command -v g++
need cmake command -v cmake
need ninja-build command -v ninja
need libfmt-dev header fmt/format.h
need libexpected-dev header tl/expected.hpp
need nlohmann-json3-dev header nlohmann/json.hpp
need libcli11-dev header CLI/CLI.hpp
need libcurl4-openssl-dev multiarch_header curl/curl.h
need libssl-dev header openssl/evp.h
# Debian 12 has two; results of coroutines as values are new in the later one.
if grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then
  need libboost1.81-dev header boost/beast/http.hpp
else
  need libboost-dev header boost/beast/http.hpp
fi
if [ "$1" = check ]; then
  need doctest-dev header doctest/doctest.h
  need clang command -v clang++
  # shellcheck disable=SC2086
  need libclang-rt-dev exists /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a
  need clang-format-14 command -v clang-format-14
  need python3 command -v python3
  need binutils command -v nm
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "missing:$missing (names of Debian packages); install them, there is no apt-get here" >&2
  exit 1
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "missing packages; as root: apt-get install$missing" >&2
    exit 1
  fi
  as_root=sudo
fi
echo "installing:$missing" >&2
$as_root apt-get update -q >&2
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive \
  apt-get install -q -y --no-install-recommends $missing >&2
