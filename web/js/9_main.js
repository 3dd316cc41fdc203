// Reports by their kind: of one plan, and of the paper's study.

function planTiles(data) {
  const {solver, quality} = data;
  const weights = sum(data.stages, (stage) => stage.weight_bytes);
  return [
    {value: seconds(data.predicted.request_s), text: `a request, predicted (${data.workload.prompt_tokens} + ${data.workload.output_tokens} tokens)`},
    {value: seconds(data.measured?.decode_s ?? data.predicted.decode_s), text: data.measured ? `a token, measured (${seconds(data.predicted.decode_s)} predicted)` : "a token, predicted"},
    {value: seconds(data.predicted.prefill_s), text: "to the first token, predicted"},
    {value: number(quality.loss), text: `loss (${quality.kind}), budget ${number(quality.budget)}`},
    {value: `${number(averageBits(data.units))} bits`, text: `a weight; ${bytes(weights)} of weights`},
    {value: `${new Set(data.stages.map((stage) => stage.server)).size} of ${data.cluster.servers.length}`, text: "servers used"},
    {value: solver.status === "optimal" ? "optimal" : `${number(100 * solver.gap, 2)} % gap`,
     text: `${solver.status === "optimal" ? "proven by" : "best found by"} ${solver.method} in ${seconds(solver.seconds)}`},
  ];
}

function planReport(main, data) {
  main.append(html("h1", {}, data.title),
              html("p", {class: "soft"}, `A plan that puts ${data.model.name} (${data.model.arch}` +
                (data.model.parameters ? `, ${number(data.model.parameters / 1e6)} M parameters` : "") + `) on ${plural(data.stages.length, "stage")}.`));
  tiles(main, planTiles(data));
  clusterSection(main, data);
  unitsSection(main, data);
  delaySection(main, data);
  measuredSection(main, data);
  memorySection(main, data);
  bindingSection(main, data);
  tradeOffSection(main, data);
}

function showReport() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const main = document.getElementById("report");
  main.replaceChildren();
  const study = data.kind === "reproduction";
  (study ? reproduction : planReport)(main, data);
  main.append(html("footer", {}, `Made by dilemma ${study ? "reproduce" : "report"}. Model `, html("code", {}, data.model.sha256 || NONE),
                   ". Charts: Observable Plot (ISC licence)."));
  document.getElementById(location.hash.slice(1))?.scrollIntoView();  // sections are not there yet when the page is loaded
  document.documentElement.dataset.ready = "yes";
}
