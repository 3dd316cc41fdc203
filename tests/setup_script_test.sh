#!/usr/bin/env bash
# scripts/setup.sh on a machine that has none of our packages, some of them, and all of them. dpkg-query and apt-get
# are stand-ins that answer as the real ones do; the third-party builds are not part of this test.
# setup_script_test.sh SOURCE_FOLDER
set -euo pipefail
source_folder=$1
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/scripts" "$work/third_party" "$work/bin"
cp "$source_folder/scripts/setup.sh" "$source_folder/scripts/common.sh" "$work/scripts/"
printf '# a comment\nlibone-dev\nlibtwo-dev\n' > "$work/third_party/apt-packages.txt"
printf 'browser\n' > "$work/more.txt"
printf '#!/bin/sh\necho built >> "%s/log"\n' "$work" > "$work/scripts/third_party.sh"
# INSTALLED: the packages that dpkg knows. Like the real one it fails when asked for any other.
cat > "$work/bin/dpkg-query" <<'STUB'
#!/bin/bash
rc=0
for p in "${@:3}"; do
  case " $INSTALLED " in *" $p "*) echo "install ok installed $p" ;; *) echo "no packages found matching $p" >&2; rc=1 ;; esac
done
exit $rc
STUB
printf '#!/bin/sh\necho "apt-get $*" >> "%s/log"\n' "$work" > "$work/bin/apt-get"
printf '#!/bin/sh\n[ "$1" = -u ] && echo 0\n' > "$work/bin/id"
chmod +x "$work"/bin/* "$work/scripts/third_party.sh"

failures=0
# check INSTALLED EXPECTED: what apt-get is asked to install when these are there; the builds follow either way
check() {
  rm -f "$work/log"
  if ! INSTALLED=$1 PATH="$work/bin:$PATH" "$work/scripts/setup.sh" "$work/more.txt" > "$work/out" 2>&1; then
    echo "FAILED with '$1' installed: setup.sh exited non-zero, saying: $(cat "$work/out")"; failures=$((failures + 1)); return
  fi
  local got; got=$(sed -n 's/.*--no-install-recommends //p' "$work/log" | sed 's/ *$//')
  if [ "$got" != "$2" ]; then
    echo "FAILED with '$1' installed: asked apt-get for '$got', expected '$2'"; failures=$((failures + 1))
  fi
  if ! grep -qx built "$work/log"; then echo "FAILED with '$1' installed: no third-party build"; failures=$((failures + 1)); fi
}
check "" "browser libone-dev libtwo-dev"
check "libone-dev" "browser libtwo-dev"
check "libone-dev libtwo-dev browser" ""
[ "$failures" = 0 ] && echo "3 passed, 0 failed"
