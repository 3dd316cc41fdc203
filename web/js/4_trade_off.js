// The curve of delay against quality, with the plan and other methods on it.

const planned = (point) => point.request_s !== null;

function lossName(data) {
  return data.quality.kind === "measured" ? "loss (nats of KL divergence)" : "loss (normalised weight difference)";
}

function verdict(point) {
  if (point.status === "optimal") return "proven optimal";
  if (point.status === "infeasible") return "proven impossible";
  if (point.status === "unknown") return "none found in the time given";
  return point.gap > 0 ? `within ${number(100 * point.gap, 2)} %` : "";
}

// Of the labels, those that do not cover each other or a point; each to the side where it fits.
function placeLabels(points, scaleX, scaleY, width, height, taken) {
  const boxes = taken.map(({x, y}) => ({x1: x - 6, x2: x + 6, y1: y - 6, y2: y + 6}));
  const placed = [];
  for (const point of points) {
    const x = scaleX.apply(point.loss), y = scaleY.apply(point.request_s), size = 6.6 * point.label.length;
    const sides = [["start", x + 10, 0], ["end", x - 10, 0], ["middle", x, -15], ["middle", x, 15]];
    for (const [anchor, at, dy] of sides) {
      const x1 = anchor === "start" ? at : anchor === "end" ? at - size : at - size / 2;
      const box = {x1, x2: x1 + size, y1: y + dy - 7, y2: y + dy + 7};
      const free = boxes.every((b) => box.x2 < b.x1 || box.x1 > b.x2 || box.y2 < b.y1 || box.y1 > b.y2);
      if (!free || box.x1 < 56 || box.x2 > width || box.y2 > height) continue;
      boxes.push(box);
      placed.push({...point, anchor, dx: at - x, dy});
      break;
    }
  }
  return placed;
}

// Where no label may be: on points, and along the curve.
function takenBy(points, others, scaleX, scaleY) {
  const at = (p) => ({x: scaleX.apply(p.loss), y: scaleY.apply(p.request_s)});
  const taken = [...points, ...others].map(at);
  for (const point of points) {
    const {x, y} = at(point);
    for (let gap = y; point.bound_s > 0 && gap < scaleY.apply(point.bound_s); gap += 8) taken.push({x, y: gap});
  }
  points.slice(1).forEach((point, i) => {
    const from = at(points[i]), to = at(point);
    for (let x = from.x; x < to.x; x += 8) taken.push({x, y: from.y});
    for (let y = Math.min(from.y, to.y); y < Math.max(from.y, to.y); y += 8) taken.push({x: to.x, y});
  });
  return taken;
}

function tradeOffChart(data, width) {
  const {curve, others, here} = data.trade_off;
  const points = curve.filter(planned);
  const slowest = Math.max(here.request_s, ...points.map((p) => p.request_s));
  const shown = others.filter((p) => planned(p) && p.request_s <= 3 * slowest && p.loss <= 3 * Math.max(here.loss, ...points.map((q) => q.loss)));
  const losses = [...points, ...shown, here].map((p) => p.loss).filter((loss) => loss > 0);
  const logarithmic = Math.max(...losses) > 12 * Math.min(...losses);
  const tip = (p) => [p.name ?? "", `${seconds(p.request_s)} a request, ${seconds(p.decode_s)} a token`, `loss ${number(p.loss)}`,
                      `${plural(p.servers, "server")}`, p.name ? "" : verdict(p)].filter(Boolean).join("\n");
  const marks = [
    Plot.line(points, {x: "loss", y: "request_s", curve: "step-after", stroke: "var(--compute)", strokeOpacity: 0.5}),
    Plot.ruleX(points.filter((p) => p.status === "feasible" && p.bound_s > 0), {x: "loss", y1: "bound_s", y2: "request_s", stroke: "var(--compute)", strokeWidth: 2}),
    Plot.dot(points, {x: "loss", y: "request_s", r: 4.5, stroke: "var(--compute)", strokeWidth: 1.8,
      fill: (p) => (p.status === "optimal" ? "var(--compute)" : "var(--paper)"), tip: true, title: tip}),
    Plot.dot(shown, {x: "loss", y: "request_s", symbol: "diamond", r: 4.5, stroke: "var(--link)", strokeWidth: 1.8, fill: "var(--paper)", tip: true, title: tip}),
    Plot.dot([here], {x: "loss", y: "request_s", symbol: "star", r: 7, fill: "var(--accent)", stroke: "var(--paper)", tip: true, title: tip}),
  ];
  const options = {
    width, height: Math.max(280, Math.min(400, width * 0.55)), marginLeft: 52, marginRight: 20, marginBottom: 44, marginTop: 26,
    x: {type: logarithmic ? "log" : "linear", label: `${lossName(data)} →`, ticks: tickCount(width - 72), tickFormat: (v) => number(v), domain: logarithmic ? [Math.min(...losses) / 1.4, Math.max(...losses) * 1.4] : undefined},
    y: {label: "↑ seconds a request", grid: true, nice: true, ticks: 6}, marks,
  };
  const draft = chart(options);
  const labelled = [{...here, label: "this plan"}, ...shown.map((p) => ({...p, label: p.name}))];
  const taken = takenBy(points, [...shown, here], draft.scale("x"), draft.scale("y"));
  for (const p of placeLabels(labelled, draft.scale("x"), draft.scale("y"), width, options.height - options.marginBottom, taken)) {
    marks.push(Plot.text([p], {x: "loss", y: "request_s", text: ["label"].map((key) => p[key]), textAnchor: p.anchor, dx: p.dx, dy: p.dy,
      fill: p.name ? "var(--soft)" : "var(--accent)", fontWeight: p.name ? 400 : 600, fontSize: 11.5}));
  }
  return chart(options);
}

function tradeOffSection(parent, data) {
  const part = section(parent, "trade-off", "Delay against quality",
    "The same problem solved at other loss budgets: each point is the fastest plan that keeps its budget.");
  if (data.trade_off.missing !== undefined) {
    part.append(html("p", {class: "note"}, data.trade_off.missing));
    return;
  }
  const {curve, others, here} = data.trade_off;
  legend(part, [{label: "proven optimal", fill: "var(--compute)", shape: "round"}, {label: "best found; the line down is its gap", shape: "hollow"},
                {label: "other methods, on the same cost model", fill: "var(--link)"}, {label: "this plan", fill: "var(--accent)", shape: "round"}]);
  figure(part, "trade-off-chart", "Seconds a request against loss", null, (width) => tradeOffChart(data, width));
  const rows = [...curve.map((p) => ({...p, what: p.budget === null ? "no budget" : `budget ${number(p.budget)}`})),
                {...here, what: "this plan", status: data.solver.status, gap: data.solver.gap, class: "here"},
                ...others.map((p) => ({...p, what: p.name, other: true}))];
  const details = html("details", {open: ""}, html("summary", {}, "The points as a table"));
  part.append(details);
  table(details, [
    {title: "", cell: (p) => p.what}, {title: "loss", number: true, cell: (p) => number(p.loss)},
    {title: "a request", number: true, cell: (p) => seconds(p.request_s)}, {title: "a token", number: true, cell: (p) => seconds(p.decode_s)},
    {title: "first token", number: true, cell: (p) => seconds(p.prefill_s)}, {title: "servers", number: true, cell: (p) => (planned(p) ? p.servers : NONE)},
    {title: "", cell: (p) => (p.other ? (planned(p) ? "" : "finds no plan") : verdict(p))},
  ], rows);
}
