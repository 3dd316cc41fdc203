# Shared by the set-up scripts: where things are kept, and how they speak.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${DILEMMA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dilemma}
JOBS=${JOBS:-$(nproc)}

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# pin NAME FIELD(2=package 3=file 4=sha256)
pin() { awk -v n="$1" -v f="$2" '$1 == n { print $f }' "$ROOT/third_party/pins.txt"; }

# key FILE...: a short hash of the files and of the processor (builds use its instructions)
key() {
  { cat "$@"; grep -m1 '^flags' /proc/cpuinfo || uname -m; g++ --version | head -n 1; } |
    sha256sum | cut -c1-12
}

# with_progress FOLDER COMMAND...: runs COMMAND and shows meanwhile how far the build is that logs to FOLDER/*.log:
# rewritten in place on a terminal, a line every 30 s elsewhere.
with_progress() {
  local folder=$1 since watcher status=0; shift
  since=$(mktemp)
  show_build_progress "$folder" "$since" & watcher=$!
  "$@" || status=$?
  kill "$watcher" 2> /dev/null || true
  wait "$watcher" 2> /dev/null || true
  rm -f "$since"
  return "$status"
}

show_build_progress() {
  local log step shown="" pause=30 end='\n'
  if [ -t 1 ]; then pause=1; end='\r'; fi
  while sleep "$pause" && kill -0 $$ 2> /dev/null; do
    log=$(find "$1" -maxdepth 1 -name '*.log' -newer "$2" -printf '%T@ %p\n' 2> /dev/null | sort -n | tail -n 1 | cut -d' ' -f2-)
    [ -n "$log" ] || continue
    step=$(grep -o '^\[[0-9]*/[0-9]*\]' "$log" | tail -n 1 || true)
    if [ -n "$step" ] && [ "$step" != "$shown" ]; then printf "    built %s$end" "$(tr -d '[]' <<< "$step" | sed 's,/, of ,')"; fi
    shown=$step
  done
}
