#!/bin/sh
# install_page.sh: what the tests of the page and those of other people's clients need: Node, a
# browser, and from npm what the package-lock.json of tests/page and tests/clients pin. Ends at once
# when all is there.
set -eu
cd "$(dirname "$0")/../tests"

missing=""
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
command -v chromium >/dev/null || missing="$missing chromium"
fc-list :lang=ja 2>/dev/null | grep -q . || missing="$missing fontconfig fonts-noto-cjk"
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || exit 1
  as_root=""
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || exit 1
    as_root=sudo
  fi
  echo "installing:$missing" >&2
  $as_root apt-get update -q >&2
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends $missing >&2
fi
for folder in page clients; do
  if [ ! "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund >&2 &&
      touch node_modules/.package-lock.json)
  fi
done
