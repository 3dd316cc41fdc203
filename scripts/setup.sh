#!/usr/bin/env bash
# Installs the Debian packages that are missing, then builds the pinned third-party libraries into the cache.
# setup.sh [LIST...]: also the packages of these files, such as third_party/apt-packages-browser.txt.
# Safe to interrupt and to run again: whatever is there already is skipped.
source "$(dirname "$0")/common.sh"

mapfile -t packages < <(grep -hv '^#' "$ROOT/third_party/apt-packages.txt" "$@")
# dpkg-query fails when it has never heard of a package; that only means that the package is missing.
missing=$({ dpkg-query -W -f='${Status} ${Package}\n' "${packages[@]}" 2> /dev/null || true; } |
  awk '$3 == "installed" { print $4 }' | sort | comm -13 - <(printf '%s\n' "${packages[@]}" | sort) | tr '\n' ' ')
if [ -n "${missing// }" ]; then
  sudo=""
  if [ "$(id -u)" != 0 ]; then
    sudo=sudo; command -v sudo > /dev/null || die "missing packages: $missing (install them as root, then run this again)"
  fi
  say "installing Debian packages: $missing"
  $sudo apt-get -qq update || die "apt-get update failed; missing packages: $missing"
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $sudo apt-get -qq install -y --no-install-recommends $missing > /dev/null ||
    die "apt-get could not install: $missing"
fi
with_progress "$CACHE/prefix" "$ROOT/scripts/third_party.sh"
