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
