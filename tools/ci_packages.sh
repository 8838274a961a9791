#!/usr/bin/env bash
# Debian packages that optional tests need: a browser for the explorer, a PostgreSQL server for projections, Node.js for the
# verifier in JavaScript. Installs what is missing where that is possible; elsewhere those tests are skipped and say so.
set -euo pipefail

missing=()
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium fonts-noto-cjk)
command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
command -v node >/dev/null || missing+=(nodejs)
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "Tests that need these Debian packages will be skipped: ${missing[*]}"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
echo "Installing ${missing[*]} ..."
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null; then
  echo "They could not be installed; tests that need them will be skipped."
fi
