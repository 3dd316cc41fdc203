// The paper's study: completion time against link and CPU speed, solver time, quality, and the paper's figures.

const METHOD_STYLES = ["var(--accent)", "var(--compute)", "var(--link)", "var(--good)", "var(--method-5)", "var(--wait)", "var(--ink)"];

// The change that a ratio means: "+2.4 %".
const change = (ratio, digits = 1) => {
  const value = 100 * (ratio - 1);
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)} %`;
};
const interval = (estimate, show) => `${show(estimate.mean)} (${show(estimate.low)} to ${show(estimate.high)})`;
const ratioText = (ratio) => `${(100 * ratio).toFixed(2)} %`;

function studyTiles(data) {
  const {plan} = data;
  const row = (name) => data.quality.rows?.find((r) => r.name === name);
  const distilled = row("joint-distilled");
  const last = data.solver_time.cases.at(-1);
  return [
    {value: seconds(plan.predicted.request_s), text: `a request of ${plan.workload.prompt_tokens} + ${plan.workload.output_tokens} tokens by the joint plan`},
    {value: ratioText(data.ratio), text: "of the size at 32 bits (the paper: down to 12.75 %)"},
    ...(distilled ? [{value: change(distilled.loss_ratio.mean), text: "loss of the distilled joint plan against the teacher (the paper: +2.4 %)"}] : []),
    {value: `${new Set(plan.stages.map((stage) => stage.server)).size} of ${plan.cluster.servers.length}`, text: "servers used"},
    {value: seconds(last.ours.seconds), text: `to a proven plan; CBC on the paper's formulation: ${seconds(last.cbc.seconds)}${last.cbc.status === "optimal" ? "" : ", not proven"}`},
  ];
}

function settingSection(parent, data) {
  const {setting, budget} = data;
  const part = section(parent, "setting", "The setting",
    `Four unequal servers with limits on storage, compute and links. Times come from a cost model, not from a measurement: a token takes the longer ` +
    `of computing it and reading the weights. Rates are ${percent(setting.compute_efficiency, 1)} of the compute and ${percent(setting.memory_efficiency, 1)} of ` +
    `the memory rate below. Links have ${rate(setting.link_bps)} and ${seconds(setting.link_latency_s)}, of which ${percent(setting.link_share, 1)} may be used.`);
  table(part, [
    {title: "server", cell: (s) => s.name}, {title: "", cell: (s) => s.what}, {title: "cores", number: true, cell: (s) => s.cores},
    {title: "clock", number: true, cell: (s) => `${number(s.clock_hz / 1e9)} GHz`}, {title: "FLOP a cycle", number: true, cell: (s) => s.flop_per_cycle},
    {title: "memory rate", number: true, cell: (s) => `${number(s.memory_bytes_per_s / 1e9)} GB/s`},
    {title: "storage, of F16", number: true, cell: (s) => percent(s.storage_share, 1)}, {title: "share of its time", number: true, cell: (s) => percent(s.compute_share, 1)},
  ], setting.servers);
  part.append(html("p", {class: "soft"}, `The loss budget is ${number(budget.loss)}: ${number(budget.factor)} of the loss at ${budget.as_good_as} throughout ` +
    `(the paper's normalised weight difference).`));
}

// Lines of the methods over an axis, on logarithmic scales.
function completionChart(data, axis, label, width) {
  const {points, here} = data.completion[axis];
  const shown = points.filter(planned);
  const styleOf = (point) => METHOD_STYLES[data.methods.findIndex((method) => method.name === point.method)];
  const labelOf = (point) => data.methods.find((method) => method.name === point.method).label;
  const values = [...new Set(points.map((point) => point.at))];
  const wide = width - 76;
  const ticks = values.filter((value, i) => wide / values.length > 34 || i % 2 === 0);
  const x = (value) => Math.log10(value);  // a logarithmic scale of Plot would leave out labels of ours
  const times = shown.map((point) => point.request_s), low = Math.min(...times), high = Math.max(...times);
  return chart({
    width, height: Math.max(300, Math.min(420, width * 0.5)), marginLeft: 56, marginRight: 20, marginTop: 26, marginBottom: 42,
    x: {domain: [x(values[0] / 1.1), x(values.at(-1) * 1.1)], ticks: ticks.map(x), tickFormat: (value) => number(10 ** value), label: `${label} →`},
    y: {type: "log", domain: [low / 1.1, high * 1.1], label: "↑ seconds a request", grid: true, ticks: 5, tickFormat: (value) => number(value, 2)},
    marks: [
      Plot.ruleX([x(here)], {stroke: "var(--soft)", strokeDasharray: "4 3"}),
      ...data.methods.map((method, i) => Plot.line(shown.filter((point) => point.method === method.name),
        {x: (point) => x(point.at), y: "request_s", stroke: METHOD_STYLES[i], strokeWidth: i === 0 ? 2.6 : 1.6, strokeOpacity: i === 0 ? 1 : 0.75})),
      Plot.dot([...shown].reverse(), {x: (point) => x(point.at), y: "request_s", r: (point) => (point.method === "ours" ? 4.2 : 3.4), stroke: styleOf, strokeWidth: 1.6,
        fill: (point) => (point.within_budget ? styleOf(point) : "var(--paper)"), tip: true,
        title: (point) => [labelOf(point), `${number(point.at)}: ${seconds(point.request_s)} a request`, `loss ${number(point.loss)}` +
          (point.within_budget ? "" : ", above the budget"), plural(point.servers, "server")].join("\n")}),
    ],
  });
}

function completionTable(parent, data, axis, title) {
  const {points, here} = data.completion[axis];
  const details = html("details", {}, html("summary", {}, "As a table, with each plan's loss"));
  parent.append(details);
  const rows = [...new Set(points.map((point) => point.at))].map((at) => ({at, class: at === here ? "here" : null,
    of: Object.fromEntries(points.filter((point) => point.at === at).map((point) => [point.method, point]))}));
  const cell = (point) => (planned(point) ? [seconds(point.request_s), html("br"), html("small", {}, `loss ${number(point.loss)}${point.within_budget ? "" : " *"}`)]
                                          : html("span", {title: point.reason}, "no plan"));
  table(details, [{title, number: true, cell: (row) => number(row.at)},
                  ...data.methods.map((method) => ({title: method.label, number: true, cell: (row) => html("span", {}, cell(row.of[method.name]))}))], rows);
  details.append(html("p", {class: "soft"}, "*: above the loss budget, which no plan of the method keeps."));
}

function completionSection(parent, data) {
  const part = section(parent, "completion", "Completion time against the speed of links and CPUs",
    "Every method on the same problem: the joint plan is solved to proof at each point. Hollow: no plan of the method keeps the loss budget, and its fastest " +
    "one is shown. No mark: no plan keeps the servers' limits. Dashed: where the plan above is.");
  legend(part, data.methods.map((method, i) => ({label: method.label, fill: METHOD_STYLES[i], shape: "round"})));
  const axes = [["link", "Mbit/s of every link", "Links"], ["cpu", "speed of every server, times", "CPUs (compute and memory rate)"]];
  for (const [axis, label, title] of axes) {
    part.append(html("h3", {}, title));
    figure(part, `${axis}-chart`, `Seconds a request against ${label}`, null, (width) => completionChart(data, axis, label, width));
    completionTable(part, data, axis, axis === "link" ? "Mbit/s" : "times");
  }
}

function solverSection(parent, data) {
  const {cases, time_limit_s: limit, gap} = data.solver_time;
  const part = section(parent, "solver", "Solver time",
    `CBC on the paper's formulation (products of placements) against the own method, on the same problems: units x servers x types. ` +
    `Each has ${seconds(limit)} to prove its plan within ${number(100 * gap)} %.`);
  legend(part, [{label: "ours, proven", fill: "var(--accent)", shape: "round"}, {label: "CBC, proven", fill: "var(--compute)", shape: "round"},
                {label: "stopped at the limit", shape: "hollow"}]);
  const runs = cases.flatMap((c) => [{...c.ours, name: c.name, who: "ours", colour: "var(--accent)"}, {...c.cbc, name: c.name, who: "CBC", colour: "var(--compute)"}])
    .map((run) => ({...run, seconds: Math.max(run.seconds, 1e-5)}));
  const verdictOf = (run) => (run.status === "optimal" ? "proven" : run.gap === null ? "no plan found" : `${number(100 * run.gap, 2)} % gap left`);
  const times = runs.map((run) => run.seconds), names = cases.map((c) => c.name);
  figure(part, "solver-chart", "Seconds to a proven plan", null, (width) => {
    const {margin, cut} = rowLabels(names, width);
    return chart({
      width, height: 40 * names.length + 50, marginLeft: margin, marginRight: 24, marginBottom: 40,
      x: {type: "log", domain: [Math.min(...times) / 1.6, Math.max(...times) * 1.6], label: "seconds →", grid: true, ticks: Math.min(6, tickCount(width - margin - 24)),
          tickFormat: (value) => number(value)},
      y: {type: "band", domain: names, label: null, tickSize: 0, padding: 0.4, tickFormat: cut},
      marks: [
        Plot.link(cases, {x1: (c) => Math.max(c.ours.seconds, 1e-5), x2: (c) => c.cbc.seconds, y: "name", stroke: "var(--line)", strokeWidth: 2}),
        Plot.dot(runs, {x: "seconds", y: "name", r: 5.5, stroke: "colour", strokeWidth: 2, fill: (run) => (run.status === "optimal" ? run.colour : "var(--paper)"),
          tip: true, title: (run) => `${run.who}: ${seconds(run.seconds)}, ${verdictOf(run)}`}),
      ],
    });
  });
  table(part, [
    {title: "problem", cell: (c) => c.name}, {title: "ours", number: true, cell: (c) => seconds(c.ours.seconds)}, {title: "", cell: (c) => verdictOf(c.ours)},
    {title: "CBC", number: true, cell: (c) => seconds(c.cbc.seconds)}, {title: "", cell: (c) => verdictOf(c.cbc)},
    {title: "CBC / ours", number: true, cell: (c) => `${number(c.cbc.seconds / Math.max(c.ours.seconds, 1e-5), 2)}`},
  ], cases);
}

// Points with their intervals, one row a variant.
function estimateChart(part, id, title, rows, label, marks) {
  part.append(html("h3", {}, title));
  figure(part, id, title, null, (width) => {
    const names = rows.map((row) => row.label), {margin, cut} = rowLabels(names, width);
    const low = Math.min(...rows.map((row) => row.low)), high = Math.max(...rows.map((row) => row.high));
    const domain = high - low > 1e-9 ? undefined : [low, low + 1];  // all alike: an axis still has a length
    return chart({
      width, height: 34 * rows.length + 48, marginLeft: margin, marginRight: 24, marginBottom: 40,
      x: {domain, label: `${label} →`, grid: true, nice: true, ticks: tickCount(width - margin - 24)},
      y: {type: "band", domain: names, label: null, tickSize: 0, padding: 0.3, tickFormat: cut},
      marks: [
        ...marks,
        Plot.link(rows, {x1: "low", x2: "high", y: "label", stroke: "var(--compute)", strokeWidth: 2.4, strokeOpacity: 0.55}),
        Plot.dot(rows, {x: "mean", y: "label", r: 5, fill: "var(--compute)", tip: true, title: (row) => `${row.label}\n${number(row.mean)} (${number(row.low)} to ${number(row.high)})`}),
      ],
    });
  });
}

function qualitySection(parent, data) {
  const {quality} = data;
  const part = section(parent, "quality", "What it does to answers", null);
  if (quality.missing !== undefined) {
    part.append(html("p", {class: "note"}, quality.missing));
    return;
  }
  part.append(html("p", {class: "soft"}, `${quality.questions} questions of SQuAD v1.1 from articles that were not used to calibrate (${quality.articles.map((title) => title.replaceAll("_", " ")).join(", ")}), ` +
    "answered greedily; the loss is that of the gold answers, in nats a token. Intervals: 95 %, by bootstrap over paragraphs."));
  const percentOf = (e) => ({mean: 100 * (e.mean - 1), low: 100 * (e.low - 1), high: 100 * (e.high - 1)});
  const changed = quality.rows.filter((row) => row.loss_ratio !== null).map((row) => ({label: row.label, ...percentOf(row.loss_ratio)}));
  estimateChart(part, "loss-chart", "Loss against the teacher's", changed, "change of the loss, %",
                [Plot.ruleX([0], {stroke: "var(--soft)"}), Plot.ruleX([2.4], {stroke: "var(--accent)", strokeDasharray: "4 3"})]);
  part.append(html("p", {class: "soft"}, "Dashed: the paper's change, +2.4 %."));
  estimateChart(part, "f1-chart", "F1", quality.rows.map((row) => ({label: row.label, ...row.f1})), "F1, %", []);
  table(part, [
    {title: "model", cell: (r) => r.label}, {title: "size / 32 bits", number: true, cell: (r) => ratioText(r.ratio)},
    {title: "exact match", number: true, cell: (r) => interval(r.exact_match, (v) => v.toFixed(1))}, {title: "F1", number: true, cell: (r) => interval(r.f1, (v) => v.toFixed(1))},
    {title: "loss", number: true, cell: (r) => interval(r.loss, (v) => v.toFixed(4))},
    {title: "against the teacher", number: true, cell: (r) => (r.loss_ratio ? interval(r.loss_ratio, (v) => change(v)) : NONE)},
  ], quality.rows);
}

function paperSection(parent, data) {
  const part = section(parent, "paper", "The paper's figures beside these", null);
  table(part, [{title: "and why they differ", cell: (r) => html("span", {}, [r.what, html("br"), html("small", {class: "soft"}, r.why)])},
               {title: "the paper", cell: (r) => r.paper}, {title: "here", cell: (r) => r.here ?? NONE}], data.paper);
}

function reproduction(main, data) {
  const {model} = data;
  main.append(html("h1", {}, data.title), html("p", {class: "soft"},
    "The experiments of DILEMMA (arXiv 2503.01704), made again by ", html("code", {}, "dilemma reproduce"), `. ` + (model.stand_in
      ? `${model.name} stands in for OPT-350m: it has its layers, but is narrower and trained on little text. Sizes and times are those of OPT-350m's dimensions, losses and answers the stand-in's.`
      : `Model: ${model.name} (${model.arch}, ${model.layers} layers, ${number(model.parameters / 1e6)} M parameters).`)));
  tiles(main, studyTiles(data));
  paperSection(main, data);
  settingSection(main, data);
  clusterSection(main, data.plan);
  unitsSection(main, data.plan);
  bindingSection(main, data.plan);
  completionSection(main, data);
  tradeOffSection(main, data.plan);
  solverSection(main, data);
  qualitySection(main, data);
}
