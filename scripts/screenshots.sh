#!/usr/bin/env bash
# Makes the README's pictures of reports: scripts/screenshots.sh PLAN_PAGE.html STUDY_PAGE.html [FOLDER]
# The first is what `dilemma report` wrote, or `dilemma reproduce` (its page has a plan, too), the second what `dilemma reproduce` did; FOLDER is
# docs/images where none is named. Needs Debian's chromium.
source "$(dirname "$0")/common.sh"
if [ $# -lt 2 ]; then sed -n '2,4s/^# //p' "$0" >&2; exit 2; fi
out=${3:-$ROOT/docs/images}
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
mkdir -p "$out"

shoot() {  # page, section, height, name; headless Chromium takes a page's top, so that the section is left alone on it
  local part=$out/$4.part.png page=$profile/$4.html
  sed "s|</head>|<style>#report > :not(#$2) { display: none }</style></head>|" "$1" > "$page"
  chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile/chromium" --window-size="900,$3" \
    --timeout=8000 --screenshot="$part" "file://$page" 2> "$profile/log" || { cat "$profile/log" >&2; exit 1; }
  mv "$part" "$out/$4.png"
  echo "$out/$4.png: $(stat -c %s "$out/$4.png") bytes"
}
shoot "$1" cluster 620 plan
shoot "$2" completion 720 completion
