#!/usr/bin/env bash
# bundle_charts.sh [--check]: makes web/vendor/plot.min.js (Observable Plot, the parts that web/charts.entry.js names)
# and the licences of all that is in it. Needs node and npm, and the npm registry; building DILEMMA needs neither, for the
# result is committed and its sha256 is in third_party/pins.txt. --check: only says whether it would come out the same.
source "$(dirname "$0")/common.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/dilemma-charts.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$ROOT"/web/{package.json,package-lock.json,charts.entry.js} "$work"
cd "$work"
say "installing the pinned packages (web/package-lock.json has their hashes)"
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error > /dev/null || die "npm could not install them"
node_modules/.bin/esbuild charts.entry.js --bundle --minify --format=iife --global-name=Plot --target=es2020 \
  --legal-comments=none --charset=ascii --log-level=warning --metafile=meta.json --outfile=plot.min.js

node --input-type=module - > LICENSES.txt <<'NODE'
import {existsSync, readFileSync} from "node:fs";
const inputs = Object.keys(JSON.parse(readFileSync("meta.json", "utf8")).outputs["plot.min.js"].inputs);
const packages = new Set(inputs.map((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]).filter(Boolean));
console.log("plot.min.js holds parts of these packages, under these licences.");
for (const name of [...packages].sort()) {
  const {version, license} = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8"));
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt", "license"].map((f) => `node_modules/${name}/${f}`).find(existsSync);
  console.log(`\n${"=".repeat(80)}\n${name} ${version} (${license})\n`);
  console.log(file ? readFileSync(file, "utf8").trim() : "(its package has no licence file)");
}
NODE

sum=$(sha256sum plot.min.js | cut -d' ' -f1)
if [ "${1:-}" = --check ]; then
  [ "$sum" = "$(pin charts 4)" ] || die "the bundle comes out as $sum, third_party/pins.txt says $(pin charts 4)"
  say "the bundle comes out as committed"
else
  mkdir -p "$ROOT/web/vendor"
  cp plot.min.js LICENSES.txt "$ROOT/web/vendor/"
  say "$(wc -c < plot.min.js) bytes; put this sha256 into the charts line of third_party/pins.txt: $sum"
fi
