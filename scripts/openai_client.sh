#!/usr/bin/env bash
# Installs the official OpenAI client (third_party/openai-client.txt: pinned versions and hashes) into a folder of the
# cache and prints its path, to be put in PYTHONPATH. A second run needs no network.
source "$(dirname "$0")/common.sh"
list=$ROOT/third_party/openai-client.txt
dir=$CACHE/python/openai-$(cat "$list" <(python3 --version) | sha256sum | cut -c1-12)
if [ ! -d "$dir" ]; then
  mkdir -p "$CACHE/python"
  part=$(mktemp -d "$CACHE/python/part.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    --target "$part/packages" -r "$list" >&2 || die "cannot install the OpenAI client: is the package index reachable?"
  mv "$part/packages" "$dir"
fi
echo "$dir"
