// The cheapest way to run all units in blocks, where a server may be used again unless the path remembers it:
// ng-route relaxation (Baldacci, Mingozzi, Roberti 2011) of "each server at most once". A path that is at
// server n remembers those of the servers before that are in n's neighbourhood; the wider the neighbourhoods,
// the tighter the bound and the slower the recursion (2^size states a server).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "planner/block_instance.h"
#include "planner/block_table.h"

namespace dilemma {

struct Block {
  int server = 0, first = 0, length = 0;
};

// Where paths begin and end: entry cost of the first server, exit cost of the last (kNever: not there).
struct PathEnds {
  std::vector<double> first, last;
  // Of the paths that begin on one server: with a ring, the way back to it is known.
  static PathEnds From(const BlockInstance& in, int server);
};

// Who is remembered at whom.
class Neighbourhoods {
 public:
  explicit Neighbourhoods(int servers);
  // At every server between two visits of the same one, that one is remembered from now on, up to `most`
  // servers each. Whether anything changed.
  bool Forbid(const std::vector<Block>& path, int most);
  // Whether no server of the path is remembered where it is visited.
  bool Allows(const std::vector<Block>& path) const;
  int servers() const { return static_cast<int>(near_.size()); }
  int States(int n) const { return 1 << near_[static_cast<size_t>(n)].size(); }
  size_t Offset(int n) const { return offset_[static_cast<size_t>(n)]; }  // of its states among all
  size_t total() const { return total_; }
  // The memory at m after n with memory `state` at n; -1 where m is remembered.
  int Next(int n, int state, int m) const {
    return next_[(Offset(n) + static_cast<size_t>(state)) * near_.size() + static_cast<size_t>(m)];
  }

 private:
  void Rebuild();
  std::vector<std::vector<int>> near_;
  std::vector<int16_t> next_;  // [offset of n + state][m]
  std::vector<size_t> offset_;
  size_t total_ = 0;
};

class NgPaths {
 public:
  // `reversed` runs units from the last to the first: its Completion(units - a, n, 0) is the cheapest way to
  // have units 0 .. a-1 done and to arrive at n.
  NgPaths(const BlockInstance& instance, const Neighbourhoods& near, bool reversed = false)
      : in_(instance), near_(near), reversed_(reversed) {}

  // The least sum of block costs, hops, ends and price[n] for each block on n; kNever where there is no path.
  double Solve(const BlockTable& table, const PathEnds& ends, const std::vector<double>& price);
  // The path of the last Solve, in its direction; it must have found one.
  std::vector<Block> Trace() const;
  // After the block on n that ends before unit l: cheapest rest (hops and prices of later servers included;
  // the exit where l is the number of units).
  double Completion(int l, int n, int state) const {
    return after_[static_cast<size_t>(l) * near_.total() + near_.Offset(n) + static_cast<size_t>(state)];
  }

 private:
  double HopCost(int n, int m) const { return reversed_ ? in_.Hop(m, n) : in_.Hop(n, m); }
  // Costs of blocks that begin at l in this direction, by length 1 .. returned.
  int FillRow(const BlockTable& table, int n, int l);
  void Arrive(const BlockTable& table, int l);
  void Leave(int l);

  const BlockInstance& in_;
  const Neighbourhoods& near_;
  const bool reversed_;
  const BlockTable* table_ = nullptr;
  PathEnds ends_;
  std::vector<double> price_;
  std::vector<double> at_;     // [l][state] begin a block on n at l (its price not included)
  std::vector<double> after_;  // [l][state]
  std::vector<double> row_;    // scratch
  std::vector<std::pair<double, int>> nearest_;  // [n][rank] next servers as they were for the last unit
};

}  // namespace dilemma
