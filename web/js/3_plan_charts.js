// Units, delay and memory of a plan.

function unitsSection(parent, data) {
  const part = section(parent, "units", "Which server runs which unit, at how many bits",
    `${data.units.length} units in order of execution, from the embedding to the head.`);
  const rows = data.stages.map((stage, i) => `${data.stages.length > 1 ? `${i + 1}  ` : ""}${stage.server}`);
  const cells = data.units.map((unit, u) => ({...unit, u, row: rows[unit.stage], ...bitsColour(unit.bits)}));
  figure(part, "units-chart", "Units by server and bits", null, (width) => {
    const {margin, cut} = rowLabels(rows, width);
    const cell = (width - margin - 12) / data.units.length;
    const every = [1, 2, 5, 10, 20, 50].find((step) => step * cell > 26) ?? 100;
    const last = data.units.length - 1;
    const ticks = cells.map((c) => c.u).filter((u) => u > 0 && u < last && (u - 1) % every === 0 && (cell * (last - u) > 44 && cell * u > 24));
    return chart({
      width, height: 34 * rows.length + 46, marginLeft: margin, marginRight: 12, marginBottom: 34,
      x: {type: "band", domain: cells.map((c) => c.u), ticks: [0, ...ticks, last], tickSize: 3, label: null, padding: 0.06,
          tickFormat: (u) => (u === 0 ? "emb." : u === last ? "head" : data.units[u].label.replace("layer ", ""))},
      y: {domain: rows, label: null, tickSize: 0, padding: 0.12, tickFormat: cut},
      marks: [
        Plot.ruleY(rows, {stroke: "var(--faint)"}),
        Plot.cell(cells, {x: "u", y: "row", fill: "fill", tip: true,
          title: (c) => [`${c.label} on ${data.stages[c.stage].server}`, `${c.type}, ${number(c.bits)} bits a weight`,
                         c.bytes ? bytes(c.bytes) : null, c.loss !== null ? `loss ${number(c.loss)}` : null].filter(Boolean).join("\n")}),
        cell >= 24 ? Plot.text(cells, {x: "u", y: "row", text: (c) => number(c.bits, 2), fill: "ink", fontSize: 10}) : null,
      ],
    });
  });
  bitsLegend(part, data);
}

// One bar of parts {label, kind, value}; positions are sums, in seconds.
function stack(row, parts) {
  let at = 0;
  return parts.filter((part) => part.value > 0).map((part) => {
    const bar = {...part, row, x1: at, x2: at + part.value};
    at += part.value;
    return bar;
  });
}

const DELAY_FILL = {compute: "var(--compute)", compute2: "var(--compute-2)", link: "var(--link)", wait: "var(--wait)"};

function delayChart(parent, id, title, parts) {
  parent.append(html("h3", {}, title));
  const long = Math.max(...parts.map((part) => part.x2)) >= 2, unit = long ? "s" : "ms";
  const bars = parts.map((part) => ({...part, x1: part.x1 * (long ? 1 : 1e3), x2: part.x2 * (long ? 1 : 1e3)}));
  const rows = [...new Set(bars.map((bar) => bar.row))];
  const most = Math.max(...bars.map((bar) => bar.x2));
  figure(parent, id, title, null, (width) => {
    const margin = 76, length = width - margin - 16;
    const wide = (bar) => length * (bar.x2 - bar.x1) / most;
    return chart({
      width, height: 46 * rows.length + 44, marginLeft: margin, marginRight: 16, marginBottom: 36,
      x: {label: unit, domain: [0, most], ticks: tickCount(length), grid: true},
      y: {domain: rows, label: null, tickSize: 0, padding: 0.25},
      marks: [
        Plot.barX(bars, {x1: "x1", x2: "x2", y: "row", fill: (bar) => DELAY_FILL[bar.kind], stroke: "var(--paper)", strokeWidth: 1,
          tip: true, title: (bar) => `${bar.label}\n${seconds(bar.value)}`}),
        Plot.text(bars.filter((bar) => wide(bar) > 7 * bar.short.length + 8), {x: (bar) => (bar.x1 + bar.x2) / 2, y: "row",
          text: "short", fill: (bar) => (bar.kind === "compute2" ? "var(--ink)" : "var(--on-fill)"), fontSize: 11}),
      ],
    });
  });
}

// The parts of one token, and of the prompt, in the order of the ring.
function predictedParts(data, compute, hop) {
  return data.stages.flatMap((stage, i) => [
    {label: i > 0 ? `${data.stages[i - 1].server} → ${stage.server}` : "", short: "", kind: "link", value: stage[hop]},
    {label: `${stage.server}: compute`, short: stage.server, kind: i % 2 ? "compute2" : "compute", value: stage[compute]}]);
}

function decodeBars(data) {
  const {stages, measured, predicted} = data;
  const back = (value) => ({label: `${stages.at(-1).server} → ${stages[0].server}: the token's id`, short: "", kind: "link", value});
  const bars = stack("predicted", [...predictedParts(data, "decode_s", "hop_decode_s"), back(predicted.ring_s)]);
  if (!measured?.stages.length) return bars;
  const parts = measured.stages.flatMap((stage, i) => [
    {label: i > 0 ? `${stages[i - 1].server} → ${stage.server}` : "", short: "", kind: "link", value: i > 0 ? stage.decode_wire_s : 0},
    {label: `${stage.server}: waiting in the node`, short: "", kind: "wait", value: stage.decode_queue_s},
    {label: `${stage.server}: compute`, short: stage.server, kind: i % 2 ? "compute2" : "compute", value: stage.decode_compute_s}]);
  parts.push(back(measured.stages[0].decode_wire_s));
  parts.push({label: "not attributed", short: "", kind: "wait", value: measured.decode_s - sum(parts, (part) => part.value)});
  return bars.concat(stack("measured", parts));
}

function prefillBars(data) {
  const {measured, predicted} = data;
  const parts = predictedParts(data, "prefill_s", "hop_prefill_s");
  parts.push({label: "from and to the user", short: "", kind: "link", value: predicted.prefill_s - sum(parts, (part) => part.value)});
  const bars = stack("predicted", parts);
  if (!measured?.stages.length) return bars;
  const compute = measured.stages.map((stage, i) =>
    ({label: `${stage.server}: compute`, short: stage.server, kind: i % 2 ? "compute2" : "compute", value: stage.prefill_compute_s}));
  compute.push({label: "links and waiting", short: "links", kind: "link", value: measured.prefill_s - sum(compute, (part) => part.value)});
  return bars.concat(stack("measured", compute));
}

function delaySection(parent, data) {
  const part = section(parent, "delay", "Where the time goes",
    `A request of ${data.workload.prompt_tokens} prompt and ${data.workload.output_tokens} answer tokens is predicted to take ` +
    `${seconds(data.predicted.request_s)}.`);
  legend(part, [{label: "compute (shades tell servers apart)", fill: "var(--compute)"}, {label: "links", fill: "var(--link)"},
                ...(data.measured ? [{label: "waiting, not attributed", fill: "var(--wait)"}] : [])]);
  delayChart(part, "decode-chart", "One token", decodeBars(data));
  delayChart(part, "prefill-chart", "To the first token", prefillBars(data));
}

function measuredSection(parent, data) {
  const part = section(parent, "measured", "Predicted against measured", null);
  const {measured, predicted, stages} = data;
  if (!measured) {
    part.append(html("p", {class: "note"}, "No run was given. ", html("code", {}, "dilemma run plan.json --json … > run.json"),
                     " writes one; give it with ", html("code", {}, "--measured run.json"), "."));
  }
  const rows = stages.flatMap((stage, i) => [
    {what: i > 0 ? `${stages[i - 1].server} → ${stage.server}` : null, predicted: stage.hop_decode_s, measured: measured?.stages[i]?.decode_wire_s},
    {what: `${stage.server}, compute`, predicted: stage.decode_s, measured: measured?.stages[i]?.decode_compute_s}]).filter((row) => row.what);
  if (stages.length > 1) {
    rows.push({what: `${stages.at(-1).server} → ${stages[0].server}, token's id`, predicted: predicted.ring_s, measured: measured?.stages[0]?.decode_wire_s});
  }
  rows.push({what: "one token", predicted: predicted.decode_s, measured: measured?.decode_s, class: "total"});
  rows.push({what: "to the first token", predicted: predicted.prefill_s, measured: measured?.prefill_s, class: "total"});
  table(part, [{title: "", cell: (r) => r.what}, {title: "predicted", number: true, cell: (r) => seconds(r.predicted)},
               ...(measured ? [{title: "measured", number: true, cell: (r) => seconds(r.measured)},
                               {title: "difference", number: true, cell: (r) => difference(r.measured, r.predicted)}] : [])], rows);
  if (measured && measured.prompt_tokens !== data.workload.prompt_tokens) {
    part.append(html("p", {class: "note"}, `The run's prompt had ${measured.prompt_tokens} tokens, the plan was made for ` +
      `${data.workload.prompt_tokens}: the times to the first token are of different prompts.`));
  }
  if (measured) part.append(html("p", {class: "soft"}, `Measured: medians over ${plural(measured.output_tokens, "token")} of one request.`));
}

const MEMORY_PARTS = [["node_bytes", "the empty node", "var(--node)"], ["weight_bytes", "weights", "var(--weights)"],
                      ["kv_bytes", "KV cache", "var(--kv)"], ["buffer_bytes", "buffers", "var(--buffers)"]];

function memorySection(parent, data) {
  const part = section(parent, "memory", "Memory against its limit",
    `KV cache for ${data.workload.context} tokens and ${plural(data.workload.users, "user")}.`);
  legend(part, [...MEMORY_PARTS.map(([, label, fill]) => ({label, fill})), {label: "limit", fill: "var(--accent)"}]);
  const servers = data.cluster.servers;
  const most = Math.max(...servers.map((server) => Math.max(server.memory_bytes ?? 0, usedBytes(server))));
  const giga = most >= 8 * 2 ** 30, unit = giga ? 2 ** 30 : 2 ** 20;
  const bars = servers.flatMap((server) => {
    let at = 0;
    return MEMORY_PARTS.filter(([key]) => server[key] > 0).map(([key, label, fill]) => {
      const bar = {server: server.name, x1: at / unit, x2: (at + server[key]) / unit, fill, label, bytes: server[key]};
      at += server[key];
      return bar;
    });
  });
  figure(part, "memory-chart", "Memory of each server", null, (width) => {
    const {margin, cut} = rowLabels(servers.map((server) => server.name), width);
    const room = servers.map((server) => ({server: server.name, x: Math.max(server.memory_bytes ?? 0, usedBytes(server)) / unit,
      text: server.memory_bytes ? percent(usedBytes(server), server.memory_bytes) : bytes(usedBytes(server))}));
    return chart({
      width, height: 34 * servers.length + 44, marginLeft: margin, marginRight: 56, marginBottom: 36,
      x: {label: giga ? "GiB" : "MiB", domain: [0, most / unit], ticks: tickCount(width - margin - 56), grid: true},
      y: {domain: servers.map((server) => server.name), label: null, tickSize: 0, padding: 0.25, tickFormat: cut},
      marks: [
        Plot.barX(servers.filter((s) => s.memory_bytes), {x1: 0, x2: (s) => s.memory_bytes / unit, y: "name", fill: "var(--faint)"}),
        Plot.barX(bars, {x1: "x1", x2: "x2", y: "server", fill: "fill", stroke: "var(--paper)", strokeWidth: 0.7, tip: true,
          title: (bar) => `${bar.server}: ${bar.label}\n${bytes(bar.bytes)}`}),
        Plot.tickX(servers.filter((s) => s.memory_bytes), {x: (s) => s.memory_bytes / unit, y: "name", stroke: "var(--accent)", strokeWidth: 2.5}),
        Plot.text(room, {x: "x", y: "server", text: "text", textAnchor: "start", dx: 8, fill: "var(--soft)"}),
      ],
    });
  });
}

// What more of each limit is worth, where the plan was explained.
function explanationTable(part, explanation) {
  if (!explanation) return;
  const useful = explanation.limits.filter((limit) => limit.all_s > 0 || !limit.proven);
  const useless = explanation.limits.filter((limit) => !useful.includes(limit)).map((limit) => limit.limit);
  const saved = (value) => (value > 0 ? seconds(value) : NONE);
  part.append(html("p", {class: "soft"}, "What more of a limit saves in a request, found by solving the problem again:"));
  table(part, [
    {title: "limit", cell: (l) => l.limit}, {title: "used", number: true, cell: (l) => number(l.used)},
    {title: "of", number: true, cell: (l) => `${number(l.of)} ${l.unit}`}, {title: "one more saves", number: true, cell: (l) => saved(l.one_s)},
    {title: "least that helps", number: true, cell: (l) => (l.least > 0 ? `+${number(l.least)}` : NONE)}, {title: "saves", number: true, cell: (l) => saved(l.least_s)},
    {title: "without the limit", number: true, cell: (l) => saved(l.all_s)}, {title: "", cell: (l) => (l.proven ? "proven" : "not proven")},
  ], useful);
  if (useless.length) part.append(html("p", {}, `No amount of these saves anything (proven): ${useless.join(", ")}.`));
  if (explanation.unused.length) part.append(html("ul", {class: "binding"}, explanation.unused.map((server) => html("li", {}, server.text))));
}

function bindingSection(parent, data) {
  const part = section(parent, "binding", "What binds", "Limits that the plan uses up; with more of them a better plan may be possible.");
  if (data.binding.length === 0) {
    part.append(html("p", {}, "Nothing: no limit keeps a unit from its next better type or another place."));
  } else {
    part.append(html("ul", {class: "binding"}, data.binding.map((limit) => html("li", {}, limit))));
  }  explanationTable(part, data.explanation);
}
