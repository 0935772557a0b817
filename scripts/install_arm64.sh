#!/bin/sh
# install_arm64.sh: what the preset arm64 needs on a Debian machine of another kind: the cross compiler, qemu-user, and
# four packages of libraries, which are unpacked into build/arm64-root and not installed: they would want the same
# versions of the host's own. Nothing of the host is removed or changed, but for the two tools.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/build/arm64-root

tools="g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
if ! command -v aarch64-linux-gnu-g++ >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $tools >&2
fi
[ -e "$root/usr/lib/aarch64-linux-gnu/libfmt.so" ] && exit 0

# The architecture is foreign only as long as its lists are read.
added=""
if ! dpkg --print-foreign-architectures | grep -qx arm64; then
  dpkg --add-architecture arm64
  added=1
fi
scratch=$(mktemp -d)
finish() {
  rm -rf "$scratch"
  if [ -n "$added" ]; then dpkg --remove-architecture arm64; fi
}
trap finish EXIT
apt-get update -q >&2
fmt=$(apt-cache depends libfmt-dev:arm64 | sed -n 's/.*Depends: \(libfmt[0-9][0-9]*\).*/\1/p' | head -n 1)
mkdir -p "$root"
(cd "$scratch" && apt-get download -q "libfmt-dev:arm64" "$fmt:arm64" libssl-dev:arm64 libcurl4-openssl-dev:arm64 >&2)
for package in "$scratch"/*.deb; do dpkg -x "$package" "$root"; done
