// A lower bound for one model over all servers of a large fleet, at prices on memory and on loss, in time
// that grows with the servers times those of one cluster: a shortest path over blocks of units in which
//  - a block fits by its smallest types, and costs what the Lagrangian of its knapsack says at the best of a
//  few prices
//    of its server's memory;
//  - hops inside a cluster of near servers are exact, those between clusters the least of all pairs;
//  - a server may be used again.
// docs/formulation.md, "Several models". Costs are the model's objective times its weight.
#pragma once

#include <cstdint>
#include <vector>

#include "fleet/fleet.h"
#include "fleet/limits.h"

namespace dilemma {

// Servers near each other, by the links of one model. Any partition gives valid bounds.
struct Clusters {
  std::vector<std::vector<int>> members;  // [c] ascending
  std::vector<int> of;                    // [n]
};
Clusters FindClusters(const Problem& problem);

class WideModel {
 public:
  // `problem`: over all servers, latency objective; not kept. `clusters` outlives the object.
  WideModel(const Problem& problem, double weight, const Clusters& clusters);

  struct Block {
    int server = 0, first = 0, length = 0;
  };
  struct Path {
    double value = kNever;      // least priced cost less mu: a lower bound; kNever: no path, so no plan
    double loss = 0;            // of its types, in budgets
    std::vector<Block> blocks;  // a server may come twice
    std::vector<double> bytes;  // by block, buffers included
  };
  // `memory[n]`: seconds a byte; `mu`: seconds for the whole loss budget; `room`: bytes left, null for all.
  Path Solve(const std::vector<double>& memory, double mu, const std::vector<int64_t>* room);
  // From now on Solve looks at these servers alone (empty: at all): its value is then no bound.
  void LookAt(const std::vector<int>& servers);
  // After Solve: for each server the least value of any path with a block there.
  std::vector<double> Through();
  // After Solve: those servers that the best paths go through, best first, at most `most`.
  std::vector<int> Best(size_t most);
  // After Solve: a cheap path with each server at most once, by a beam of `width` along the bounds of Solve,
  // over `servers` (at most kBeamServers of those that Solve looked at); empty where none was found.
  static constexpr size_t kBeamServers = 128;
  std::vector<Block> Distinct(const std::vector<int>& servers, size_t width) const;
  // Types for these blocks that keep their servers' memory and the loss budget, at the prices of the last
  // Solve; empty where none were found.
  Assignment ChooseTypes(const std::vector<Block>& blocks) const;

  int units() const { return U_; }
  bool has_budget() const { return has_budget_; }
  double typical_cost() const { return typical_; }  // of all units, on middling servers

 private:
  static constexpr int kPrices = 4;  // of a block's own memory, the first 0
  double Item(int u, int n, int q) const {
    return cost_[(static_cast<size_t>(n) * static_cast<size_t>(U_) + static_cast<size_t>(u)) * Q_ +
                 static_cast<size_t>(q)];
  }
  double BlockCost(int n, int a, int k) const;
  void MakeCosts(const std::vector<double>& memory, double mu);
  void ChooseOwnPrices(double mu);
  void MakeReach();
  double Use(int n, int a, int k, double memory_price, double mu, double& loss) const;  // bytes
  // out[m] = min over n != m of in[n] + hop (n -> m, or m -> n where `backward`), stage of the later one
  // included
  void Hop(const std::vector<double>& in, bool backward, std::vector<double>& out) const;
  double HopCost(int n, int m) const {  // exact in a cluster, else the least of all pairs
    const auto s = static_cast<size_t>(n), t = static_cast<size_t>(m);
    const auto c = static_cast<size_t>(clusters_.of[s]), d = static_cast<size_t>(clusters_.of[t]);
    return c == d ? near_[s][static_cast<size_t>(position_[t])] : between_[c * clusters_.members.size() + d];
  }
  struct Typed;
  Typed TypesAt(const std::vector<Block>& blocks, double mu) const;

  const Clusters& clusters_;
  int U_ = 0;
  size_t N_ = 0, Q_ = 0;
  bool has_budget_ = false;
  double typical_ = 0, budget_slack_ = 1;
  std::vector<double> cost_;                                // [n][u][q]; kNever where impossible
  std::vector<double> bytes_, loss_;                        // [u][q]
  std::vector<double> fixed_;                               // [n][u]
  std::vector<double> first_, last_, stage_, stage_bytes_;  // [n]
  std::vector<double> own_memory_, memory_;                 // [n] the model's limit; what counts now
  std::vector<int> active_;                                 // servers looked at
  std::vector<std::vector<int>> active_members_;            // [c] of them in the cluster
  std::vector<std::vector<double>> near_, nearby_;  // [n][position of m in its cluster] n -> m, m -> n
  std::vector<double> between_;                     // [c][c']
  std::vector<int> position_;                       // [n] in its cluster
  // of the last Solve
  std::vector<double> price_;  // [n]
  double mu_ = 0;
  double own_[kPrices] = {};
  std::vector<double> prefix_;              // [n][U + 1][price]
  std::vector<double> least_prefix_;        // [n][U + 1] bytes at the smallest types
  std::vector<int> reach_;                  // [n][U]
  std::vector<std::vector<double>> begin_;  // [l][n]
  std::vector<double> after_;               // [n][U + 1]
};

}  // namespace dilemma
