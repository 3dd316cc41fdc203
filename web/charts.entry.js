// What the reports use of Observable Plot; scripts/bundle_charts.sh bundles only this.
export {barX, cell, dot, frame, line, link, plot, ruleX, ruleY, text, tickX, tip} from "@observablehq/plot";
