// 100,000 mutated messages and 20,000 connections with random bytes against the port of a real node process,
// over TLS (as a coordinator of the cluster) and in plain text. Fails where the node dies, hangs, keeps
// stages open, or grows by more than 32 MiB after the first tenth.
//
//   hostile_bench [MESSAGES]
#include <chrono>

#include "fmt/core.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"
#include "tests/hostile_node.h"

namespace dilemma {
namespace {

constexpr int64_t kMayGrow = int64_t{32} << 20;

double MiB(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

absl::Status Attack(bool tls, int64_t messages, const std::string& metadata) {
  ASSIGN_OR_RETURN(const auto node, HostileNode::Start(tls));
  HostileClient client(node->peer, metadata, tls ? 11 : 12);
  const auto start = std::chrono::steady_clock::now();
  int64_t first = 0;
  for (int tenth = 1; tenth <= 10; ++tenth) {
    RETURN_IF_ERROR(client.SendMutatedMessages(messages / 10));
    if (const int64_t taken = client.SendRandomBytes(messages / 50); taken != messages / 50) {
      return Internal("{} of {} connections were taken up", taken, messages / 50);
    }
    RETURN_IF_ERROR(node->CheckAlive());
    const int64_t now = node->ResidentBytesNow();
    if (tenth == 1) first = now;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    fmt::print("{}: {:6} messages, {:5} random connections, {:5.1f} s: resident {:.1f} MiB\n",
               tls ? "TLS  " : "plain", messages / 10 * tenth, messages / 50 * tenth, took.count(), MiB(now));
    std::fflush(stdout);
    if (now > first + kMayGrow) return Internal("it grew by {:.1f} MiB", MiB(now - first));
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  const int64_t messages = argc > 1 ? std::stoll(argv[1]) : 100'000;
  const auto model = CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
  std::string metadata;
  if (std::filesystem::exists(model)) metadata = MakeProbeShape(*ReadModel(model))->metadata;
  for (const bool tls : {true, false}) {
    const absl::Status status = Attack(tls, messages, metadata);
    if (status.ok()) continue;
    fmt::print("FAILED: {}\n", Message(status));
    return 1;
  }
  fmt::print("no crash, no hang, no growth\n");
  return 0;
}

}  // namespace
}  // namespace dilemma

int main(int argc, char** argv) { return dilemma::Main(argc, argv); }
