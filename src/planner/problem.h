// The planning problem: which server runs which unit at which tensor type. One cost model for every solver;
// the symbols are those of docs/formulation.md. Plain data in seconds and bytes, dense arrays, no pointers.
//
//   u, v  unit, in execution order (0: embedding ... units-1: head)
//   n, m  server
//   q     type: an index into the unit's own menu; menus may be ragged, a type that a unit lacks is not
//   Offered
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace dilemma {

inline constexpr double kNever = std::numeric_limits<double>::infinity();
inline constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// kLatency: the time of one whole request, the paper's objective. kThroughput: the busy time a request costs
// the busiest server or link; its inverse is the rate that a full pipeline sustains.
enum class Objective { kLatency, kThroughput };
std::string_view Name(Objective objective);

// A table of times. A request is one pass of its prompt (prefill) and `decode_steps` passes of one token.
struct Times {
  std::vector<double> prefill_s;  // added to the prompt's pass
  std::vector<double> decode_s;   // added to each token's pass
  std::vector<double> request_s;  // prefill_s + decode_steps * decode_s; filled by Problem::Fold

  void Resize(size_t size);
  size_t size() const { return decode_s.size(); }
};

struct Problem {
  int units = 0, servers = 0, types = 0;  // U, N, Q (longest menu)
  double decode_steps = 1;                // G - 1: tokens after the first

  Times compute;               // [u][n][q]; kNever where server n cannot run it
  Times stage;                 // [n] fixed cost of one pass through a stage on n
  Times hop;                   // [n][m] of the link n -> m alone; 0 on the diagonal
  Times entry, exit;           // [n] user -> n, n -> user
  Times ring;                  // [n][m] from the last server n to the first m; 0 on the diagonal
  Times link_busy;             // [n][m] how long a hop occupies the link (no latency); throughput only
  std::vector<double> move_s;  // [u][n][q] added to the objective: cost of moving a shard; may be empty
  std::vector<int64_t> weight_bytes;  // [u][q]
  std::vector<double> loss;           // [u][q]
  std::vector<char> offered;          // [u][q] 1 where q is on u's menu
  std::vector<char> allowed;          // [u][n] 1 where u may be placed on n
  std::vector<int64_t> fixed_bytes;   // [u][n] KV cache, and what the head's buffers take on n
  std::vector<int64_t> kv_bytes;      // [u] the part of fixed_bytes that is KV cache; for reports alone
  std::vector<int64_t> stage_bytes;   // [n] buffers of each open stage
  std::vector<int64_t> memory_bytes;  // [n] for weights, fixed_bytes and stage_bytes
  std::vector<int64_t> disk_bytes;    // [n] for weights alone; kNoLimit where there is none
  std::vector<double> busy_limit_s;   // [n] compute and stage time per decoded token; kNever: no limit
  double loss_budget = kNever;
  int64_t size_budget = kNoLimit;  // weights of all units together, in bytes
  int max_servers = 0;             // servers that may hold units; 0: no limit
  bool one_block_per_server = true;
  Objective objective = Objective::kLatency;

  std::vector<std::string> unit_names, server_names;  // [u], [n]
  std::vector<std::string> type_names;                // [u][q]

  size_t At(int u, int n, int q) const { return (static_cast<size_t>(u) * servers + n) * types + q; }
  size_t Uq(int u, int q) const { return static_cast<size_t>(u) * types + q; }
  size_t Un(int u, int n) const { return static_cast<size_t>(u) * servers + n; }
  size_t Nm(int n, int m) const { return static_cast<size_t>(n) * servers + m; }

  bool Offered(int u, int q) const { return offered[Uq(u, q)] != 0; }
  // Whether unit u may be on server n at type q by itself: on the menu, allowed, and measured.
  bool Possible(int u, int n, int q) const;

  // Cost of x[u,n,q] in the latency objective.
  double Cost(int u, int n, int q) const {
    return compute.request_s[At(u, n, q)] + (move_s.empty() ? 0.0 : move_s[At(u, n, q)]);
  }
  double EnterCost(int n, int m) const { return hop.request_s[Nm(n, m)] + stage.request_s[m]; }  // n != m
  double FirstCost(int n) const { return entry.request_s[n] + stage.request_s[n]; }
  double LastCost(int n) const { return exit.request_s[n]; }
  double RingCost(int last, int first) const { return ring.request_s[Nm(last, first)]; }
  bool HasRing() const;
  // Memory that x[u,n,q] takes.
  int64_t Bytes(int u, int n, int q) const { return weight_bytes[Uq(u, q)] + fixed_bytes[Un(u, n)]; }

  // Sizes every table for `units` x `servers` x `types`: zero times and bytes, nothing offered, everything
  // allowed, no limits, names "unit 0", "server 0", "type 0".
  void Resize(int units, int servers, int types);
  // Fills request_s of every table. Call after the parts were set.
  void Fold();
  // Sizes of all tables agree, no NaN, nothing negative (kNever allowed in compute and limits).
  absl::Status Check() const;
};

struct Placement {
  int server = -1;
  int type = -1;
  friend bool operator==(const Placement&, const Placement&) = default;
};
using Assignment = std::vector<Placement>;  // one a unit

}  // namespace dilemma
