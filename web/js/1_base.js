// Words and numbers as people read them, and building the page.

const NONE = "–";

function number(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  if (value !== 0 && Math.abs(value) < 1e-4) return String(Number(value.toPrecision(digits)).toExponential());
  return Number(value.toPrecision(digits)).toLocaleString("en", {maximumFractionDigits: 12, useGrouping: Math.abs(value) >= 1e4});
}

function seconds(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 1) return `${number(value)} s`;
  return size >= 1e-3 || size === 0 ? `${number(value * 1e3)} ms` : `${number(value * 1e6)} µs`;
}

function scaled(value, base, names) {
  let at = 0;
  while (Math.abs(value) >= base && at + 1 < names.length) { value /= base; ++at; }
  return `${number(value)} ${names[at]}`;
}

function bytes(value) {
  return value === null || value === undefined ? NONE : scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
}

function rate(value) {
  return value ? scaled(value, 1000, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]) : NONE;
}

function percent(part, whole, digits = 0) {
  return whole > 0 ? `${(100 * part / whole).toFixed(digits)} %` : NONE;
}

// "+12 %" of a measured value over a predicted one.
function difference(measured, predicted) {
  if (!(predicted > 0) || measured === null || measured === undefined) return NONE;
  const change = 100 * (measured / predicted - 1);
  return `${change >= 0 ? "+" : "−"}${Math.abs(change).toFixed(Math.abs(change) < 10 ? 1 : 0)} %`;
}

const sum = (items, value = (item) => item) => items.reduce((total, item) => total + value(item), 0);
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function append(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
  return node;
}
const html = (name, attributes, ...children) => append(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) =>
  append(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

// A section with a heading and an opening sentence; returns it.
function section(parent, id, title, text) {
  const node = html("section", {id}, html("h2", {}, title), text ? html("p", {class: "soft"}, text) : null);
  parent.append(node);
  return node;
}

// A figure that is drawn again when its width changes. `draw(width)` returns a node.
function figure(parent, id, label, caption, draw) {
  const drawing = html("div", {class: "drawing"});
  parent.append(html("figure", {id, role: "group", "aria-label": label}, drawing,
                     caption ? html("figcaption", {}, caption) : null));
  let drawn = 0;
  const redraw = () => {
    const width = Math.floor(drawing.clientWidth);
    if (width === drawn || width === 0) return;
    drawn = width;
    const node = draw(width);
    node.setAttribute("role", "img");
    node.setAttribute("aria-label", label);
    drawing.replaceChildren(node);
  };
  redraw();
  new ResizeObserver(() => requestAnimationFrame(redraw)).observe(drawing);
}

// items: [{label, fill} or {label, shape: "hollow" | "round"}]
function legend(parent, items) {
  parent.append(html("div", {class: "legend"}, items.map(({label, fill, shape}) =>
    html("span", {}, html("i", {class: shape, style: fill ? `background:${fill}` : null}), label))));
}

// columns: [{title, number?, cell(row)}]; row.class marks a row.
function table(parent, columns, rows) {
  const kind = (column) => (column.number ? "number" : null);
  parent.append(html("div", {class: "scroll"}, html("table", {},
    html("thead", {}, html("tr", {}, columns.map((c) => html("th", {class: kind(c)}, c.title)))),
    html("tbody", {}, rows.map((row) => html("tr", {class: row.class},
      columns.map((c) => html("td", {class: kind(c)}, c.cell(row) ?? NONE))))))));
}

function tiles(parent, items) {
  parent.append(html("div", {class: "tiles"}, items.map(({value, text}) =>
    html("div", {class: "tile"}, html("b", {}, value), html("span", {}, text)))));
}

// Charts share one look.
function chart(options) {
  return Plot.plot({style: {background: "none", fontSize: "12px", fontFamily: "inherit", color: "var(--ink)"}, ...options});
}

// Room for the labels of rows, at most a third of the width, and the labels cut to it.
function rowLabels(labels, width) {
  const margin = Math.min(14 + 7.2 * Math.max(...labels.map((label) => label.length)), Math.max(70, width / 3));
  const fits = Math.floor((margin - 14) / 7.2);
  return {margin, cut: (label) => (label.length <= fits ? label : `${label.slice(0, fits - 1)}…`)};
}

// About how many ticks a horizontal axis of this length can have.
const tickCount = (length) => Math.max(2, Math.floor(length / 80));

// Bits as a colour, few warm and many cool, and the text colour to be read on it.
const BIT_COLOURS = [[1, [255, 222, 130]], [2, [242, 166, 90]], [2.5, [201, 92, 122]], [3, [122, 84, 178]], [4, [58, 90, 190]]];
function bitsColour(bits) {
  const at = Math.min(4, Math.max(1, Math.log2(bits)));
  const upper = Math.max(1, BIT_COLOURS.findIndex(([stop]) => at <= stop));
  const [[low, a], [high, b]] = [BIT_COLOURS[upper - 1], BIT_COLOURS[upper]];
  const mixed = a.map((value, i) => Math.round(value + (b[i] - value) * (at - low) / (high - low)));
  const light = 0.299 * mixed[0] + 0.587 * mixed[1] + 0.114 * mixed[2] > 150;
  return {fill: `rgb(${mixed.join(",")})`, ink: light ? "#1b1f27" : "#ffffff"};
}
