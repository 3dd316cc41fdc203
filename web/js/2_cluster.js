// The cluster as a picture: the plan's stages as boxes sized by their server's memory, in the order of the ring, the
// links between them, the user, and the servers that the plan leaves out.

// Average over the weights where sizes are known, else over the units.
function averageBits(units) {
  const weight = (unit) => unit.bytes / unit.bits;
  if (units.every((unit) => unit.bytes > 0)) return sum(units, (unit) => unit.bytes) / sum(units, weight);
  return sum(units, (unit) => unit.bits) / units.length;
}

// "embedding + layers 0–9"
function unitRange(units) {
  const layers = units.filter((unit) => unit.kind === "layer").map((unit) => unit.label.replace("layer ", ""));
  const parts = [];
  if (units.some((unit) => unit.kind === "embedding")) parts.push("embedding");
  if (layers.length) parts.push(layers.length === 1 ? `layer ${layers[0]}` : `layers ${layers[0]}–${layers.at(-1)}`);
  if (units.some((unit) => unit.kind === "head")) parts.push("head");
  return parts.join(" + ");
}

const stageUnits = (data, stage) => data.units.filter((unit) => unit.stage === stage);
const serverOf = (data, name) => data.cluster.servers.find((server) => server.name === name);
const usedBytes = (server) => (server.node_bytes ?? 0) + server.weight_bytes + server.kv_bytes + server.buffer_bytes;

function linkOf(data, from, to) {
  const link = data.cluster.links.find((l) => l.from === from && l.to === to);
  if (!link) return null;
  return {latency: link.measured_latency_s ?? link.latency_s, bandwidth: link.measured_bandwidth_bps ?? link.bandwidth_bps};
}

// The lines that stand on a link, `what` first.
function linkLines(data, from, to, what) {
  const link = linkOf(data, from, to);
  return link ? [what, `latency ${seconds(link.latency)}`, rate(link.bandwidth)] : [what];
}

function textLines(lines, x, y, attributes) {
  return svg("text", {x, y, "font-size": 11, fill: "var(--soft)", ...attributes},
             lines.map((line, i) => svg("tspan", {x, dy: i === 0 ? 0 : 14}, line)));
}

function arrow(points, colour) {
  return svg("path", {d: points, fill: "none", stroke: colour, "stroke-width": 1.8, "marker-end": "url(#arrow)"});
}

function arrowHead() {
  return svg("defs", {}, svg("marker", {id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7,
    orient: "auto-start-reverse"}, svg("path", {d: "M0,0.5 L8,4 L0,7.5 z", fill: "var(--link)"})));
}

// What both layouts need to know about a stage or a server left out.
function boxOf(data, name, stage) {
  const server = serverOf(data, name);
  const limit = server.memory_bytes ?? usedBytes(server);
  const units = stage === null ? [] : stageUnits(data, stage);
  return {name, stage, limit, units, share: Math.min(1, usedBytes(server) / limit), slow: server.emulated_slowdown ?? 1,
          memory: server.memory_bytes ? `${number(usedBytes(server) / 2 ** 20)} of ${bytes(server.memory_bytes)}` : bytes(limit)};
}

function boxText(box) {
  if (box.stage === null) return [box.slow > 1 ? `${bytes(box.limit)}, 1/${box.slow} speed` : bytes(box.limit)];
  return [unitRange(box.units), `${number(averageBits(box.units))} bits a weight`, box.memory];
}

// A box whose filled part is the memory in use, coloured by the bits of the units it holds.
function drawBox(box, x, y, width, height, along) {
  const node = svg("g", {class: "server"});
  node.append(svg("rect", {x, y, width, height, rx: 5, fill: "var(--panel)", stroke: box.stage === null ? "var(--line)" : "var(--ink)",
    "stroke-width": box.stage === null ? 1 : 1.4, "stroke-dasharray": box.stage === null ? "4 3" : null}));
  const total = (along === "x" ? width : height) * box.share;
  let at = 0;
  for (const unit of box.units) {
    const size = total / box.units.length;
    const part = along === "x" ? {x: x + at, y, width: size, height} : {x, y: y + height - at - size, width, height: size};
    node.append(svg("rect", {...part, fill: bitsColour(unit.bits).fill, stroke: size < 4 ? "none" : "var(--panel)", "stroke-width": 0.5},
                    svg("title", {}, `${unit.label}: ${unit.type}`)));
    at += size;
  }
  node.append(svg("rect", {x, y, width, height, rx: 5, fill: "none", stroke: box.stage === null ? "none" : "var(--ink)", "stroke-width": 1.4}));
  return node;
}

function userMark(x, y) {
  return svg("g", {class: "user"}, svg("circle", {cx: x, cy: y - 7, r: 6, fill: "var(--ink)"}),
             svg("path", {d: `M${x - 11},${y + 13} a11,11 0 0 1 22,0 z`, fill: "var(--ink)"}));
}

const GAP = 104;  // between boxes at least: a link's label fits

// Wide pages: the ring from left to right, the way back beneath, the user above.
function wideRing(data, boxes, width) {
  const scale = Math.max(...boxes.used.concat(boxes.unused).map((box) => box.limit));
  const count = boxes.used.length, box = Math.min(150, (width - 20 - GAP * (count - 1)) / count), tallest = 110;
  const gap = count > 1 ? Math.min(240, (width - 20 - box * count) / (count - 1)) : GAP;
  const height = (b) => Math.max(22, tallest * b.limit / scale);
  const left = (width - count * box - (count - 1) * gap) / 2, top = 92, base = top + tallest;
  const centre = (i) => left + i * (box + gap) + box / 2;
  const node = svg("svg", {class: "ring"}, arrowHead());
  const last = boxes.used.length - 1, first = boxes.used[0].name, end = boxes.used[last].name;
  boxes.used.forEach((b, i) => {
    node.append(drawBox(b, centre(i) - box / 2, base - height(b), box, height(b), "y"));
    node.append(svg("text", {x: centre(i), y: base + 18, "text-anchor": "middle", "font-size": 13, "font-weight": 600, fill: "var(--ink)"}, b.name));
    node.append(textLines(boxText(b), centre(i), base + 34, {"text-anchor": "middle"}));
    if (i === last) return;
    const x = centre(i) + box / 2;
    node.append(arrow(`M${x + 4},${base - 12} L${x + gap - 5},${base - 12}`, "var(--link)"));
    const lines = linkLines(data, b.name, boxes.used[i + 1].name, `${seconds(data.stages[i + 1].hop_decode_s)} a token`);
    node.append(textLines(lines, x + gap / 2, base - 18 - 14 * (lines.length - 1), {"text-anchor": "middle"}));
  });
  const back = base + 92;
  if (last > 0) {
    node.append(arrow(`M${centre(last)},${base + 68} L${centre(last)},${back} L${centre(0)},${back} L${centre(0)},${base + 70}`, "var(--link)"));
    node.append(textLines([linkLines(data, end, first, `the token's id goes back in ${seconds(data.predicted.ring_s)}`).join(", ")],
                          width / 2, back + 16, {"text-anchor": "middle"}));
  }
  drawUser(data, node, boxes, width, centre, (i) => base - height(boxes.used[i]));
  const bottom = drawUnused(node, boxes.unused, scale, width, back + 46);
  node.setAttribute("viewBox", `0 0 ${width} ${bottom}`);
  node.setAttribute("width", width);
  node.setAttribute("height", bottom);
  return node;
}

function drawUser(data, node, boxes, width, centre, topOf) {
  const last = boxes.used.length - 1, middle = width / 2, lane = 34;
  node.append(userMark(middle, lane));
  node.append(svg("text", {x: middle, y: lane + 28, "text-anchor": "middle", "font-size": 13, "font-weight": 600, fill: "var(--ink)"}, "user"));
  const inX = last > 0 ? centre(0) : centre(0) - 40, outX = last > 0 ? centre(last) : centre(0) + 40;
  node.append(arrow(`M${middle - 20},${lane} L${inX},${lane} L${inX},${topOf(0) - 4}`, "var(--link)"));
  node.append(svg("path", {d: `M${outX},${topOf(last)} L${outX},${lane} L${middle + 22},${lane}`, fill: "none", stroke: "var(--link)",
    "stroke-width": 1.8, "marker-end": "url(#arrow)"}));
  // Beside the upright lines, inside the ring; with one stage outside, for the inside is too narrow.
  const inside = last > 0 ? 1 : -1;
  const beside = (x, way, lines) => textLines(lines, x + 8 * way, lane + 22, {"text-anchor": way > 0 ? "start" : "end"});
  node.append(beside(inX, inside, linkLines(data, "user", boxes.used[0].name, "prompt")));
  node.append(beside(outX, -inside, linkLines(data, boxes.used[last].name, "user", "tokens")));
}

// The servers without a stage, in rows; returns the height so far.
function drawUnused(node, unused, scale, width, top) {
  if (unused.length === 0) return top - 20;
  node.append(svg("text", {x: 0, y: top + 6, "font-size": 12, fill: "var(--soft)"}, "not used by this plan:"));
  const cell = 150, perRow = Math.max(1, Math.floor(width / cell));
  unused.forEach((box, i) => {
    const x = (i % perRow) * cell, y = top + 18 + Math.floor(i / perRow) * 62;
    node.append(drawBox(box, x, y, Math.max(24, 120 * box.limit / scale), 18, "x"));
    node.append(svg("text", {x, y: y + 32, "font-size": 12, "font-weight": 600, fill: "var(--ink)"}, box.name));
    node.append(textLines(boxText(box), x, y + 46));
  });
  return top + 22 + Math.ceil(unused.length / perRow) * 62;
}

// Narrow pages: the ring from top to bottom, the way back along the left.
function tallRing(data, boxes, available) {
  const width = Math.min(available, 620);
  const scale = Math.max(...boxes.used.concat(boxes.unused).map((box) => box.limit));
  const left = 34, step = 142, top = 84, last = boxes.used.length - 1, end = boxes.used[last].name, first = boxes.used[0].name;
  const node = svg("svg", {class: "ring"}, arrowHead());
  node.append(userMark(left + 20, 18), svg("text", {x: left + 42, y: 24, "font-size": 13, "font-weight": 600, fill: "var(--ink)"}, "user"));
  node.append(arrow(`M${left + 20},38 L${left + 20},${top - 4}`, "var(--link)"));
  node.append(textLines([linkLines(data, "user", first, "prompt").join(", ")], left + 32, 58));
  boxes.used.forEach((b, i) => {
    const y = top + i * step;
    node.append(drawBox(b, left, y, Math.max(30, (width - left - 4) * b.limit / scale), 28, "x"));
    node.append(svg("text", {x: left, y: y + 44, "font-size": 13, "font-weight": 600, fill: "var(--ink)"}, b.name));
    const [range, ...rest] = boxText(b);
    node.append(textLines([range, rest.join(", ")], left, y + 60));
    if (i === last) return;
    node.append(arrow(`M${left + 20},${y + 82} L${left + 20},${y + step - 4}`, "var(--link)"));
    node.append(textLines([linkLines(data, b.name, boxes.used[i + 1].name, `${seconds(data.stages[i + 1].hop_decode_s)} a token`).join(", ")], left + 32, y + 112));
  });
  const y = top + last * step;
  const out = y + 84;
  if (last > 0) node.append(arrow(`M${left - 2},${y + 14} L${14},${y + 14} L14,${top + 14} L${left - 3},${top + 14}`, "var(--link)"));
  if (last > 0) node.append(textLines([linkLines(data, end, first, `id back to ${first}: ${seconds(data.predicted.ring_s)} a token`)[0]], left, out + 10));
  node.append(textLines([linkLines(data, end, "user", "tokens to the user").join(", ")], left, out + 26));
  const bottom = drawUnused(node, boxes.unused, scale, width, out + 52);
  append(node, {viewBox: `0 0 ${width} ${bottom}`, width, height: bottom}, []);
  return node;
}

function clusterSection(parent, data) {
  const used = data.stages.map((stage, i) => boxOf(data, stage.server, i));
  const names = new Set(used.map((box) => box.name));
  const unused = data.cluster.servers.filter((s) => !names.has(s.name)).map((s) => boxOf(data, s.name, null));
  const part = section(parent, "cluster", "The cluster and the ring",
    "Boxes are servers, sized by their memory and filled by what the plan puts there; colours are bits. A token's hidden state goes " +
    "from server to server; the last one samples and sends the token's id to the first one and to the user.");
  figure(part, "cluster-picture", "Servers of the plan in order, with their links", null, (width) =>
    (width >= used.length * 108 + (used.length - 1) * GAP + 20 ? wideRing : tallRing)(data, {used, unused}, width));
  bitsLegend(part, data);
  if (data.cluster.links.length) linksTable(part, data);
}

function bitsLegend(parent, data) {
  const types = new Map(data.units.map((unit) => [unit.type, unit.bits]));
  const items = [...types].sort((a, b) => b[1] - a[1]).map(([type, bits]) => ({label: `${type} (${number(bits)} bits)`, fill: bitsColour(bits).fill}));
  legend(parent, items);
}

function linksTable(parent, data) {
  const measured = data.cluster.links.some((link) => link.measured_latency_s !== undefined);
  const details = html("details", {}, html("summary", {}, `All ${data.cluster.links.length} links, one way`));
  parent.append(details);
  table(details, [
    {title: "from", cell: (l) => l.from}, {title: "to", cell: (l) => l.to},
    {title: "latency given", number: true, cell: (l) => seconds(l.latency_s)},
    {title: "bandwidth given", number: true, cell: (l) => rate(l.bandwidth_bps)},
    ...(measured ? [{title: "latency measured", number: true, cell: (l) => seconds(l.measured_latency_s)},
                    {title: "bandwidth measured", number: true, cell: (l) => rate(l.measured_bandwidth_bps)}] : []),
  ], data.cluster.links);
}
