#!/usr/bin/env bash
# Fetches a second domain of text for benchmarks, the Debian Administrator's Handbook (R. Hertzog, R. Mas; CC BY-SA 3.0
# or GPL 2 and later), as Debian packages it, and prints the folder that holds its English prose: one *.txt a page.
source "$(dirname "$0")/common.sh"
package=debian-handbook
sum=3d5dbeac1f1afc9c094eab9d0f701f6ecff99c4927d5a4794cf6c85678134faa
out=$CACHE/prose/$package
if [ ! -f "$out/.done" ]; then
  work=$(mktemp -d "${TMPDIR:-/tmp}/dilemma-prose.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  say "fetching Debian's package $package" >&2
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package") >&2 ||
    die "cannot fetch $package; is the package index up to date? (apt-get update)"
  deb=$(echo "$work"/*.deb)
  echo "$sum  $deb" | sha256sum --check --status || die "$(basename "$deb") is another version than the figures were made with"
  dpkg-deb -x "$deb" "$work/package"
  rm -rf "$out"; mkdir -p "$out"
  python3 "$ROOT/scripts/html_prose.py" "$work/package/usr/share/doc/$package/html/en-US" "$out"
  touch "$out/.done"
fi
echo "$out"
