#!/usr/bin/env bash
# Builds llama.cpp (with our patches) and HiGHS once per version and machine, outside the build folder.
# Prints nothing but progress; the prefixes are $CACHE/prefix/{llama,highs}-<key>, linked from build/third_party.
source "$(dirname "$0")/common.sh"

# build NAME KEY FUNCTION: runs FUNCTION SOURCE_DIR PREFIX unless the prefix is there
build() {
  local name=$1 prefix=$CACHE/prefix/$1-$2 work
  if [ ! -f "$prefix/.done" ]; then
    local archive; archive=$("$ROOT/scripts/fetch.sh" "$name")
    say "building $name ($(pin "$name" 2)); this takes a few minutes, once"
    work=$(mktemp -d "${TMPDIR:-/tmp}/dilemma-$name.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    tar -xzf "$archive" -C "$work" --strip-components=1
    rm -rf "$prefix"
    "$3" "$work" "$prefix"
    touch "$prefix/.done"
    rm -rf "$work"; trap - EXIT
  fi
  mkdir -p "$ROOT/third_party/prefix"
  ln -sfn "$prefix" "$ROOT/third_party/prefix/$name"
}

configure_and_install() {
  local log=$2.log; mkdir -p "$(dirname "$2")"
  { cmake -S "$1" -B "$1/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
      -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_INSTALL_PREFIX="$2" -DCMAKE_INSTALL_LIBDIR=lib \
      -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache "${@:3}" &&
    cmake --build "$1/build" -j "$JOBS" && cmake --install "$1/build"; } > "$log" 2>&1 ||
    { tail -n 30 "$log" >&2; die "the build failed; the whole log is $log"; }
}

build_llama() {
  local source=$1/vendor/llama.cpp
  for p in "$ROOT"/third_party/patches/llama.cpp-*.patch; do patch -s -p1 -d "$source" < "$p"; done
  configure_and_install "$source" "$2" -DGGML_NATIVE=ON -DGGML_OPENMP=OFF -DGGML_RPC=ON -DGGML_CCACHE=OFF \
    -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
    -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_OPENSSL=OFF
  mkdir -p "$2/share/licenses" && cp "$source/LICENSE" "$2/share/licenses/llama.cpp"
}

build_highs() {
  # two files that the source distribution lacks and its CMakeLists.txt asks for
  mkdir -p "$1/app"; touch "$1/app/CMakeLists.txt" "$1/highs.pc.in"
  configure_and_install "$1" "$2" -DBUILD_CXX_EXE=OFF -DBUILD_TESTING=OFF -DBUILD_EXAMPLES=OFF \
    -DBUILD_SHARED_EXTRAS_LIB=OFF -DZLIB=OFF
  mkdir -p "$2/share/licenses" && cp "$1/LICENSE.txt" "$2/share/licenses/highs"
}

build highs "$(key "$ROOT/scripts/third_party.sh" <(pin highs 4))" build_highs
build llama "$(key "$ROOT/scripts/third_party.sh" <(pin llama 4) "$ROOT"/third_party/patches/*.patch)" build_llama
