// What a hop costs: one user decodes over 1 to 4 nodes on loopback (in this process, one thread each), beside
// the whole model in one stage. Prints medians; exit code 1 where a hop takes longer than 150 us beyond
// computing.
#include <chrono>

#include "base/table.h"
#include "base/units.h"
#include "tests/ring_fixture.h"

namespace dilemma {
namespace {

constexpr int64_t kTokens = 100;
constexpr double kHopLimitS = 150e-6;

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

double WholeDecodeSeconds(const CutModel& cut, const std::vector<int32_t>& prompt) {
  auto stage = Stage::Load(cut.whole(), {.context = 256, .sequences = 1, .max_batch = 64, .threads = 1});
  std::vector<double> seconds;
  std::vector<int32_t> tokens = prompt;
  const auto sampler = Sampler::Create({});
  int32_t position = 0;
  for (int64_t i = 0; i <= kTokens; ++i) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<RowPlace> rows;
    for (size_t r = 0; r < tokens.size(); ++r) rows.push_back({position++, 0});
    const auto logits = (*stage)->Run({.rows = rows, .tokens = tokens, .hidden = {}, .want_logits = {}});
    tokens = {sampler->Sample(*logits)};
    if (i > 0) {
      seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  }
  return Median(seconds);
}

int Run() {
  Table table({">nodes", ">ms/token", ">of one process", ">computing", ">queues", ">wire", ">a hop"});
  bool good = true;
  for (const std::vector<int>& cuts : {std::vector<int>{}, {16}, {11, 21}, {8, 16, 24}}) {
    CutModel cut = CutForTest(cuts, UniformTypes(32, "q4_0"));
    const std::vector<int32_t> prompt = cut.Tokens("The three largest rivers of Europe are");
    LocalNodes nodes(cuts.size() + 1);
    const auto ring = Coordinator::Open(cut.plan, nodes.cluster, cut.shards());
    if (!ring.ok()) {
      fmt::print("{}\n", ring.status().ToString());
      return 1;
    }
    GenerateRequest request;
    request.prompt = prompt;
    request.max_tokens = kTokens;
    const double whole_before = WholeDecodeSeconds(cut, prompt);
    const auto result = (*ring)->Generate(request);
    const double whole = (whole_before + WholeDecodeSeconds(cut, prompt)) / 2;
    double compute = 0, queue = 0, wire = 0;
    for (const StageTimes& times : result->stages) {
      compute += times.decode_compute_s;
      queue += times.decode_queue_s;
      wire += times.decode_wire_s;
    }
    const double token = Median(result->token_s);
    const double hop = wire / static_cast<double>(result->stages.size());
    good = good && hop <= kHopLimitS;
    table.Add({fmt::format("{}", result->stages.size()), fmt::format("{:.2f}", token * 1e3),
               fmt::format("{:.2f}", token / whole), FormatDuration(compute), FormatDuration(queue),
               FormatDuration(wire), FormatDuration(hop)});
  }
  fmt::print("{}", table.ToString());
  return good ? 0 : 1;
}

}  // namespace
}  // namespace dilemma

int main() { return dilemma::Run(); }
