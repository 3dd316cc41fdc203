#!/usr/bin/env bash
# Builds the programs that benchmarks compare with: llama-quantize, llama-imatrix, llama-completion, llama-bench and
# ggml-rpc-server of the pinned llama.cpp (with our patches, so that they read OPT too), once per version and machine.
# Only benchmarks need them; nothing else asks for this script. Prints the folder that holds the programs.
source "$(dirname "$0")/common.sh"

TOOLS=(llama-quantize llama-imatrix llama-completion llama-bench ggml-rpc-server)
patches=("$ROOT"/third_party/patches/llama.cpp-*.patch)
prefix=$CACHE/prefix/peers-$(key "$ROOT/scripts/peers.sh" <(pin llama 4) "${patches[@]}")

build_peers() {
  local source=$1 log=$prefix.log
  for p in "${patches[@]}"; do patch -s -p1 -d "$source" < "$p"; done
  mkdir -p "$(dirname "$prefix")"
  { cmake -S "$source" -B "$source/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
      -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DGGML_NATIVE=ON -DGGML_OPENMP=OFF \
      -DGGML_RPC=ON -DGGML_CCACHE=OFF -DLLAMA_BUILD_COMMON=ON -DLLAMA_BUILD_TOOLS=ON -DLLAMA_BUILD_TESTS=OFF \
      -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_OPENSSL=OFF &&
    cmake --build "$source/build" -j "$JOBS" --target "${TOOLS[@]}"; } > "$log" 2>&1 ||
    { tail -n 30 "$log" >&2; die "the build of llama.cpp's tools failed; the whole log is $log"; }
  rm -rf "$prefix"; mkdir -p "$prefix/bin"
  for tool in "${TOOLS[@]}"; do install -s "$source/build/bin/$tool" "$prefix/bin/"; done
  cp "$source/LICENSE" "$prefix/"
  touch "$prefix/.done"
}

if [ ! -f "$prefix/.done" ]; then
  archive=$("$ROOT/scripts/fetch.sh" llama)
  say "building llama.cpp's tools ($(pin llama 2)) to compare with; this takes about ten minutes, once" >&2
  work=$(mktemp -d "${TMPDIR:-/tmp}/dilemma-peers.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  tar -xzf "$archive" -C "$work" --strip-components=1
  build_peers "$work/vendor/llama.cpp"
fi
echo "$prefix/bin"
