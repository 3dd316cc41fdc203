// One user's decode over three servers, beside those who could do it instead: the same model, types and
// split, over the same emulated links, in turns.
//
//   decode_bench [--rounds R] [--tokens N] [--scene 1ms|10ms|loopback]...
//
// Over emulated links: llama.cpp's RPC servers as people start them (logits cross a link), the same with the
// head kept on the client, and one process with the whole model. The floor is what computing the three shards
// takes in one process, plus one crossing a server: propagation, hidden states of 16 bits, a token of 4
// bytes. On loopback: the ring with and without TLS beside one process.
//
// Checks itself: every ring must say what the shards say one after the other in one process, token by token;
// and ratios of medians over the rounds must keep to the targets. Exit code 1 where one does not.
#include <algorithm>
#include <functional>
#include <map>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/statistics.h"
#include "base/table.h"
#include "base/units.h"
#include "bench/outcome.h"
#include "cli/command.h"
#include "runtime/hidden_codec.h"
#include "runtime/llama_rpc.h"
#include "simulator/emulator.h"
#include "simulator/rpc_servers.h"
#include "tests/ring_fixture.h"
#include "tests/three_servers.h"

namespace dilemma {
namespace {

struct Scene {
  std::string name, about;
  double latency_s = 0, bandwidth_bps = 0;  // both 0: servers reach each other directly
  double of_rpc = 0, of_head_here = 0;      // targets: at most so many times theirs
};
const std::vector<Scene> kScenes = {{"1ms", "links of 1 ms, 100 Mbit/s", 1e-3, 100e6, 0.48, 0.85},
                                    {"10ms", "links of 10 ms, 20 Mbit/s", 10e-3, 20e6, 0.32, 0.60},
                                    {"loopback", "loopback, no emulation", 0, 0, 0, 0}};
constexpr double kOfFloor = 1.10, kOfOneProcess = 1.20;
constexpr int64_t kTokenBytes = 4;

// What one turn gave: tokens, and seconds between them.
struct Turn {
  std::vector<int32_t> tokens;
  std::vector<double> token_s;
  std::vector<StageTimes> stages;
};

struct Contender {
  std::string name;
  std::function<absl::StatusOr<Turn>()> take_turn;
  bool must_match = false;  // tokens of the chain
  std::vector<double> medians_s;
  Turn last;
};

// The shards one after the other, in this process: what all of them compute, and what must come out.
class Chain {
 public:
  static absl::StatusOr<Chain> Load(const std::vector<std::filesystem::path>& files, int64_t context) {
    Chain chain;
    for (const auto& file : files) {
      ASSIGN_OR_RETURN(auto stage, Stage::Load(file, {.context = context, .max_batch = 64, .threads = 1}));
      chain.stages_.push_back(std::move(stage));
    }
    return chain;
  }

  absl::StatusOr<Turn> Generate(const std::vector<int32_t>& prompt, int64_t count) {
    const auto sampler = Sampler::Create({});
    Turn turn;
    std::vector<int32_t> tokens = prompt;
    int32_t position = 0;
    for (const auto& stage : stages_) RETURN_IF_ERROR(stage->Truncate(0, 0));
    while (static_cast<int64_t>(turn.tokens.size()) < count) {
      ASSIGN_OR_RETURN(const double seconds, Pass(tokens, &position, *sampler));
      if (!turn.tokens.empty()) turn.token_s.push_back(seconds);
      turn.tokens.push_back(tokens.front());
    }
    return turn;
  }

 private:
  // Replaces `tokens` by the next one; seconds of computing, without what joins the stages.
  absl::StatusOr<double> Pass(std::vector<int32_t>& tokens, int32_t* position, Sampler& sampler) {
    std::vector<RowPlace> rows;
    for (size_t i = 0; i < tokens.size(); ++i) rows.push_back({(*position)++, 0});
    double seconds = 0;
    std::vector<float> hidden;
    for (size_t k = 0; k < stages_.size(); ++k) {
      StageInput input{.rows = rows, .tokens = {}, .hidden = {}, .want_logits = {}};
      if (k == 0) {
        input.tokens = tokens;
      } else {
        input.hidden = hidden;
      }
      const Stopwatch watch;
      ASSIGN_OR_RETURN(const auto output, stages_[k]->Run(input));
      if (k + 1 == stages_.size()) tokens = {sampler.Sample(output)};
      seconds += watch.Seconds();
      if (k + 1 == stages_.size()) break;
      std::string wire;
      EncodeHidden(output, WireType::kF16, &wire);
      RETURN_IF_ERROR(DecodeHidden(wire, WireType::kF16, static_cast<int64_t>(output.size()), &hidden));
    }
    return seconds;
  }

  std::vector<std::unique_ptr<Stage>> stages_;
};

Cluster ServersOf(const Scene& scene) {
  Cluster cluster = ThreeServers();
  cluster.default_latency_s = scene.latency_s;
  cluster.default_bandwidth_bps = scene.bandwidth_bps;
  return cluster;
}

class Bench {
 public:
  Bench(const Scene& scene, CutModel* cut, int64_t tokens) : scene_(scene), cut_(*cut) {
    request_.prompt = cut_.Tokens("The three largest rivers of Europe are");
    request_.max_tokens = tokens;
  }

  absl::Status Prepare() {
    std::vector<std::filesystem::path> files;
    for (const PlanStage& stage : cut_.plan.stages) files.push_back(cut_.shards() / (stage.shard + ".gguf"));
    RETURN_IF_ERROR(AddChain("computing alone", files));
    RETURN_IF_ERROR(AddChain("one process", {cut_.whole()}));
    RETURN_IF_ERROR(AddRing("DILEMMA", /*insecure=*/false));
    if (scene_.bandwidth_bps == 0) return AddRing("DILEMMA, plain text", /*insecure=*/true);
    ASSIGN_OR_RETURN(rpc_servers_, EmulatedRpcServers::Start(ServersOf(scene_), {"a", "b", "c"},
                                                             DILEMMA_BINARY, dir_.path() / "rpc"));
    RETURN_IF_ERROR(AddRpc("llama.cpp RPC", /*head_here=*/false));
    return AddRpc("llama.cpp RPC, head on client", /*head_here=*/true);
  }

  absl::Status Round() {
    for (Contender& contender : contenders_) {
      if (Interrupted()) return InterruptedStatus();
      ASSIGN_OR_RETURN(contender.last, contender.take_turn());
      contender.medians_s.push_back(Median(contender.last.token_s));
    }
    return absl::OkStatus();
  }

  // Prints; false where a target is missed.
  bool Report() const {
    Table table({"", ">ms a token", ">of one process", ">of RPC", ">of RPC, head here", ">of the floor"});
    for (const Contender& contender : contenders_) AddRow(contender.name, contender.medians_s, &table);
    AddRow("floor", Floor(), &table);
    cli::Print(fmt::format("\n{}\n{}", scene_.about, table.ToString()));
    PrintStages();
    return Check();
  }

 private:
  absl::Status AddChain(const std::string& name, const std::vector<std::filesystem::path>& files) {
    ASSIGN_OR_RETURN(Chain chain, Chain::Load(files, cut_.plan.workload.context));
    auto kept = std::make_shared<Chain>(std::move(chain));
    contenders_.push_back(
        {name, [this, kept] { return kept->Generate(request_.prompt, request_.max_tokens); }, false, {}, {}});
    return absl::OkStatus();
  }

  void AddCoordinator(const std::string& name, std::unique_ptr<Coordinator> opened, bool must_match) {
    std::shared_ptr<Coordinator> coordinator = std::move(opened);
    contenders_.push_back(
        {name,
         [this, coordinator]() -> absl::StatusOr<Turn> {
           ASSIGN_OR_RETURN(GenerateResult result, coordinator->Generate(request_));
           return Turn{std::move(result.tokens), std::move(result.token_s), std::move(result.stages)};
         },
         must_match,
         {},
         {}});
  }

  absl::Status AddRing(const std::string& name, bool insecure) {
    EmulatorOptions options;
    options.binary = DILEMMA_BINARY;
    options.work_dir = dir_.path() / (insecure ? "plain" : "nodes");
    options.insecure = insecure;
    ASSIGN_OR_RETURN(auto emulated, EmulatedCluster::Start(ServersOf(scene_), options));
    Cluster cluster = emulated->cluster();
    if (scene_.bandwidth_bps == 0) cluster.links.clear();  // nobody goes by way of a proxy
    ASSIGN_OR_RETURN(auto ring, Coordinator::Open(cut_.plan, cluster, cut_.shards()));
    emulated_.push_back(std::move(emulated));
    AddCoordinator(name, std::move(ring), true);
    return absl::OkStatus();
  }

  absl::Status AddRpc(const std::string& name, bool head_here) {
    LlamaRpcOptions options{.addresses = rpc_servers_->addresses(),
                            .head_on_client = head_here,
                            .flash_attention = true,
                            .end_tokens = {}};
    ASSIGN_OR_RETURN(auto rpc, OpenLlamaRpc(cut_.plan, cut_.whole(), options));
    AddCoordinator(name, std::move(rpc), false);
    return absl::OkStatus();
  }

  const Contender* Find(const std::string& name) const {
    for (const Contender& contender : contenders_)
      if (contender.name == name) return &contender;
    return nullptr;
  }

  // Of each round.
  std::vector<double> Floor() const {
    const auto hops = static_cast<double>(cut_.plan.stages.size());
    double wires = hops * scene_.latency_s;
    if (scene_.bandwidth_bps > 0) {
      const double bytes = (hops - 1) * static_cast<double>(2 * cut_.model.n_embd) + kTokenBytes;
      wires += bytes * 8 / scene_.bandwidth_bps;
    }
    std::vector<double> floor = Find("computing alone")->medians_s;
    for (double& seconds : floor) seconds += wires;
    return floor;
  }

  static double Ratio(const std::vector<double>& of, const std::vector<double>& to) {
    std::vector<double> ratios;
    for (size_t i = 0; i < of.size(); ++i) ratios.push_back(of[i] / to[i]);
    return Median(ratios);
  }
  double RatioTo(const std::vector<double>& medians_s, const std::string& name) const {
    const Contender* other = Find(name);
    return other == nullptr ? 0 : Ratio(medians_s, other->medians_s);
  }

  void AddRow(const std::string& name, const std::vector<double>& medians_s, Table* table) const {
    const auto show = [](double ratio) {
      return ratio > 0 ? fmt::format("{:.3f}", ratio) : std::string("-");
    };
    table->Add({name, fmt::format("{:.2f}", Median(medians_s) * 1e3), show(RatioTo(medians_s, "one process")),
                show(RatioTo(medians_s, "llama.cpp RPC")),
                show(RatioTo(medians_s, "llama.cpp RPC, head on client")), show(Ratio(medians_s, Floor()))});
  }

  void PrintStages() const {
    for (const Contender& contender : contenders_) {
      for (const StageTimes& stage : contender.last.stages) {
        cli::Print(fmt::format("{}, {}: computing {}, in queues {}, on the wire into it {}\n", contender.name,
                               stage.server, FormatDuration(stage.decode_compute_s),
                               FormatDuration(stage.decode_queue_s), FormatDuration(stage.decode_wire_s)));
      }
    }
  }

  static bool Keep(const std::string& what, double ratio, double at_most) {
    const bool good = ratio <= at_most;
    cli::Print(
        fmt::format("{}: {:.3f}, at most {:.2f}: {}\n", what, ratio, at_most, good ? "kept" : "MISSED"));
    return good;
  }

  bool Check() const {
    bool good = true;
    const Turn& expected = Find("computing alone")->last;
    for (const Contender& contender : contenders_) {
      if (!contender.must_match || contender.last.tokens == expected.tokens) continue;
      cli::Print(contender.name + " says something else than its shards one after the other\n");
      good = false;
    }
    const std::vector<double>& ours = Find("DILEMMA")->medians_s;
    if (scene_.bandwidth_bps == 0)
      return Keep("of one process", RatioTo(ours, "one process"), kOfOneProcess) && good;
    good = Keep("of RPC", RatioTo(ours, "llama.cpp RPC"), scene_.of_rpc) && good;
    good = Keep("of RPC with the head on the client", RatioTo(ours, "llama.cpp RPC, head on client"),
                scene_.of_head_here) &&
           good;
    return Keep("of the floor", Ratio(ours, Floor()), kOfFloor) && good;
  }

  const Scene scene_;
  CutModel& cut_;
  GenerateRequest request_;
  TempDir dir_ = *TempDir::Create("dilemma-decode-bench");
  std::vector<std::unique_ptr<EmulatedCluster>> emulated_;
  std::unique_ptr<EmulatedRpcServers> rpc_servers_;
  std::vector<Contender> contenders_;  // last: they use what is above
};

absl::StatusOr<bool> Run(const std::vector<std::string>& scenes, int rounds, int64_t tokens) {
  std::vector<TypeMix> types = UniformTypes(32, "q4_1");  // as the model's file has them
  types.front() = types.back() = *TypeMix::Parse("q8_0");
  CutModel cut = CutForTest({11, 21}, types);
  cut.plan.workload.wire = WireType::kF16;
  bool good = true;
  for (const Scene& scene : kScenes) {
    if (!scenes.empty() && std::find(scenes.begin(), scenes.end(), scene.name) == scenes.end()) continue;
    Bench bench(scene, &cut, tokens);
    RETURN_IF_ERROR(bench.Prepare());
    for (int i = 0; i < rounds; ++i) RETURN_IF_ERROR(bench.Round());
    good = bench.Report() && good;
  }
  return good;
}

}  // namespace
}  // namespace dilemma

int main(int argc, char** argv) {
  CLI::App app("One user's decode over three servers, beside llama.cpp's RPC and one process");
  std::vector<std::string> scenes;
  int rounds = 5;
  int64_t tokens = 40;
  app.add_option("--scene", scenes, "1ms, 10ms, loopback (default: all)")
      ->check(CLI::IsMember({"1ms", "10ms", "loopback"}));
  app.add_option("--rounds", rounds)->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("--tokens", tokens, "Of each turn")->check(CLI::Range(2, 200))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  dilemma::CatchInterrupts();
  return dilemma::OutcomeOf(dilemma::Run(scenes, rounds, tokens));
}
