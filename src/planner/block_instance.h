// A Problem with one block of units per server, prepared for the exact method (docs/formulation.md): servers
// that can hold nothing and types that are never better are gone, the loss budget is 1, and memory is the
// slack that a block leaves when every unit has its smallest type, counted in cells.
//
// A type of unit u on server n takes `excess` bytes more than the smallest type there. A block of units fits
// where the excesses add up to at most its Slack, in bytes. Bounds count cells instead: floor(excess / cell)
// against floor(slack / cell), which never refuses what fits. The cell is chosen so that the excesses of most
// units are whole multiples of it; then nothing is lost by the rounding.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/problem.h"

namespace dilemma {

// One type of a unit on a server.
struct Item {
  double cost = 0;     // seconds a request
  double loss = 0;     // of the budget, which is 1
  int64_t excess = 0;  // bytes
  int cells = 0;       // floor(excess / cell)
  double busy = 0;     // seconds a token; counted where the server has a limit
  int type = 0;        // q of the Problem
};

struct BlockInstance {
  int units = 0, servers = 0;
  std::vector<int> server_of;  // [n] the Problem's server
  bool has_budget = false;     // otherwise losses are all 0
  bool has_ring = false;
  bool has_busy_limits = false;
  int max_blocks = 0;  // as many as servers where there is no limit

  std::vector<std::vector<Item>> items;  // [u * servers + n]; empty: impossible
  std::vector<double> hop;               // [n][m] entering m after n, the stage's fixed cost included
  std::vector<double> first, last;       // [n] entry and the stage's fixed cost; exit
  std::vector<double> ring;              // [last][first]
  std::vector<double> busy_limit;        // [n] what units may take: the limit less the stage's own
  std::vector<int64_t> memory, stage;    // [n] bytes: all there is, and what each block takes of it
  std::vector<int64_t> cell;             // [n] bytes
  std::vector<int> max_length;           // [n][units + 1]: longest block that begins at a unit
  std::vector<int> twin;                 // [n] the previous server with the same figures, or -1

  explicit BlockInstance(const Problem& problem);

  const std::vector<Item>& Items(int u, int n) const { return items[static_cast<size_t>(u) * servers + n]; }
  double Hop(int n, int m) const { return hop[static_cast<size_t>(n) * servers + m]; }
  double Ring(int last_server, int first_server) const {
    return ring[static_cast<size_t>(last_server) * servers + first_server];
  }
  int MaxLength(int n, int a) const { return max_length[static_cast<size_t>(n) * (units + 1) + a]; }
  // Excess bytes that units a .. b-1 may take on n together; negative where they do not fit at all.
  int64_t Slack(int n, int a, int b) const;
  // Bytes that units a .. b-1 take on n at their smallest types, KV cache included.
  int64_t LeastBytes(int n, int a, int b) const {
    const size_t row = static_cast<size_t>(n) * (units + 1);
    return memory_prefix_[row + b] - memory_prefix_[row + a];
  }
  int SlackCells(int n, int a, int b) const {
    return static_cast<int>(Slack(n, a, b) / cell[static_cast<size_t>(n)]);
  }

 private:
  void KeepUsefulServers(const Problem& problem);
  void MakeItems(const Problem& problem);
  void MakeCells();
  void MakeLengths(const Problem& problem);
  void FindTwins(const Problem& problem);

  std::vector<int64_t> memory_, disk_;                // [n] room for one block
  std::vector<int64_t> memory_prefix_, disk_prefix_;  // [n][units + 1] of the smallest types
};

}  // namespace dilemma
