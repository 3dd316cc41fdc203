#!/usr/bin/env bash
# Runs every fuzzing program of a build folder for SECONDS each (default 60), all cores at work.
# fuzz.sh BUILD_FOLDER [SECONDS [SEED]]: the same inputs in the same order for the same seed (default: other ones
# each time). What one finds stays in BUILD_FOLDER/fuzz/findings and makes this fail.
source "$(dirname "$0")/common.sh"

build=$1 seconds=${2:-60} seed=${3:-0}  # 0: libFuzzer draws one
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
mkdir -p "$build/fuzz/findings"

run() {  # the name of a program
  local corpus=$work/$1
  DILEMMA_FUZZ_SEEDS=$corpus "$build/fuzz/$1" > /dev/null 2>&1
  "$build/fuzz/$1" -seed="$seed" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
    -artifact_prefix="$build/fuzz/findings/$1." "$corpus" > "$work/$1.log" 2>&1
  local result=$?
  printf '%-18s %s inputs, %s\n' "$1" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$1.log")" \
    "$([ $result = 0 ] && echo "no finding" || echo FOUND)"
  [ $result = 0 ] || { tail -n 60 "$work/$1.log"; return 1; }
}
export -f run
export build seconds seed work
programs=$(cd "$build/fuzz" && ls -- *_fuzz)
say "fuzzing for $seconds s each: ${programs//$'\n'/ }"
printf '%s\n' "$programs" | xargs -P "$(nproc)" -I{} bash -c 'run {}'
