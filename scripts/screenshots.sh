#!/usr/bin/env bash
# Makes the README's pictures of reports: scripts/screenshots.sh PLAN_REPORT.html STUDY_REPORT.html [FOLDER]
# The first is what `dilemma report` (or `dilemma demo`) wrote, the second what `dilemma reproduce` did; FOLDER is
# docs/images where none is named. Needs Debian's chromium.
source "$(dirname "$0")/common.sh"
if [ $# -lt 2 ]; then sed -n '2,4s/^# //p' "$0" >&2; exit 2; fi
out=${3:-$ROOT/docs/images}
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
mkdir -p "$out"

shoot() {  # page, section to begin at, height, name
  local page part=$out/$4.part.png
  page=$(realpath "$1")
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile" --window-size="900,$3" \
    --virtual-time-budget=5000 --screenshot="$part" "file://$page#$2" 2> "$profile/log" || { cat "$profile/log" >&2; exit 1; }
  mv "$part" "$out/$4.png"
  echo "$out/$4.png: $(stat -c %s "$out/$4.png") bytes"
}
shoot "$1" cluster 760 report
shoot "$2" completion 620 reproduce
