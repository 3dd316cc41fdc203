// The cluster of the study: four edge servers with limits on storage, compute and links, as the paper's
// system has them (DILEMMA, arXiv 2503.01704), and what a unit costs on them. The paper does not publish a
// machine's measured times, so that costs come from a cost model with stated speeds, not from a measurement:
//
//   compute rate   cores x clock x FLOP a cycle x kComputeEfficiency
//   memory rate    bytes a second x kMemoryEfficiency
//   one token      max(FLOP / compute rate, bytes of the unit's weights / memory rate)
//   a prompt       bytes / memory rate for a pass, and FLOP / compute rate for each of its tokens
//
// Fewer bits are faster only where reading weights is what takes the time, as on real CPUs.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cluster/cluster.h"
#include "cluster/profile.h"
#include "model/model.h"
#include "plan/plan.h"
#include "quality/quality.h"

namespace dilemma {

inline constexpr double kComputeEfficiency = 0.5, kMemoryEfficiency = 0.7;

// Speeds are those that such machines have on paper; no particular product is meant.
struct EdgeServer {
  std::string name, what;
  int cores = 0;
  double clock_hz = 0, flop_per_cycle = 0;  // of one core, F32
  double memory_bytes_per_s = 0;            // peak
  double storage_share = 0;  // for weights, KV cache and buffers, in parts of the model's weights at F16
  double compute_share = 1;  // of its time that a request may have

  double ComputeRate() const { return cores * clock_hz * flop_per_cycle * kComputeEfficiency; }
  double MemoryRate() const { return memory_bytes_per_s * kMemoryEfficiency; }
};
const std::vector<EdgeServer>& PaperServers();

// How fast links and CPUs are against the cluster as it is.
struct Speeds {
  double link_bps = 50e6;  // of every link
  double cpu = 1;          // a factor on both rates of every server
};
inline constexpr double kLinkLatency = 2e-3, kLinkShare = 0.8;

struct Setting {
  Cluster cluster;
  Profile profile;
};

// A passage with its question, and an answer.
Workload PaperWorkload();

// Storage and memory follow from the model's size; times from `quality`'s types.
absl::StatusOr<Setting> PaperSetting(const ModelInfo& model, const QualityTable& quality,
                                     const Workload& workload, const Speeds& speeds);

// Bytes of all units at one type; kInvalidArgument where a unit's rows do not admit it.
absl::StatusOr<int64_t> BytesAt(const ModelInfo& model, std::string_view type);

}  // namespace dilemma
