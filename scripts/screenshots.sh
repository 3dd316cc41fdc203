#!/usr/bin/env bash
# Makes the pictures of the README from the real commands, in headless Chromium: docs/images/*.png.
# screenshots.sh [STUDY]: a folder that `dilemma reproduce` wrote (default: one is made now, without questions).
source "$(dirname "$0")/common.sh"
command -v chromium > /dev/null || die "chromium is not installed: scripts/setup.sh third_party/apt-packages-browser.txt"
dilemma=$ROOT/build/bin/dilemma
[ -x "$dilemma" ] || die "$dilemma is not there: make build"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
study=${1:-$work/study}
[ -f "$study/report.html" ] || "$dilemma" reproduce --questions 0 --out "$study"
mkdir -p "$ROOT/docs/images"

# shot PAGE SECTION WIDTH HEIGHT SCHEME OUT: the page from that section on. Headless Chromium has a least width of
# 500 pixels, so that a phone is a frame of its width.
shot() {
  local frame=$work/frame.html colours=1
  [ "$5" = dark ] && colours=0
  printf '<!DOCTYPE html><meta name="color-scheme" content="light dark"><body style="margin:0"><iframe src="file://%s#%s" style="width:%dpx;height:%dpx;border:0"></iframe>' \
    "$(realpath "$1")" "$2" "$3" "$4" > "$frame"
  timeout 120 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --allow-file-access-from-files \
    --user-data-dir="$work/profile" --window-size="$3,$4" --blink-settings=preferredColorScheme=$colours \
    --virtual-time-budget=5000 --screenshot="$6" "file://$frame" 2> /dev/null > /dev/null
  [ -s "$6" ] || die "chromium made no picture of $1"
  say "$6"
}
shot "$study/report.html" cluster 1100 760 light "$ROOT/docs/images/study-plan.png"
shot "$study/report.html" completion 1100 760 dark "$ROOT/docs/images/study-completion.png"
