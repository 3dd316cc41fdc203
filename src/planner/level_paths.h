// The cheapest way to run all units in blocks, where a server may be used again as far as its memory goes. A
// path that is at server n knows the levels (level_table.h) of n and of the servers in n's neighbourhood;
// what it does not know it takes for empty. As in ng_paths.h, wider neighbourhoods mean tighter bounds and
// slower recursions: levels ^ (1 + size) states a server.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "planner/block_instance.h"
#include "planner/level_table.h"
#include "planner/ng_paths.h"

namespace dilemma {

struct LevelBlock : Block {
  int from = 0, to = 0;  // levels of the server before and after it
};

// Who is remembered at whom. A state of server n is its own level and those of its neighbours.
class LevelMemory {
 public:
  LevelMemory(int servers, int levels);
  // At every server between two blocks of a server that is `full` (more is used than there is), that one is
  // remembered from now on, up to `most` servers each. Whether anything changed.
  bool Remember(const std::vector<LevelBlock>& path, const std::vector<char>& full, int most);

  int servers() const { return static_cast<int>(near_.size()); }
  int levels() const { return levels_; }
  int Others(int n) const { return others_[static_cast<size_t>(n)]; }  // states with the same own level
  int States(int n) const { return levels_ * Others(n); }
  size_t Offset(int n) const { return offset_[static_cast<size_t>(n)]; }  // of its states among all
  size_t total() const { return total_; }
  // The state at m after n was left in `state`.
  int Next(int n, int state, int m) const {
    return next_[(Offset(n) + static_cast<size_t>(state)) * near_.size() + static_cast<size_t>(m)];
  }
  // The state of n where `level(m)` is the level of server m.
  template <typename Level>
  int StateOf(int n, int own, const Level& level) const {
    int state = own;
    for (const int m : near_[static_cast<size_t>(n)]) state = state * levels_ + level(m);
    return state;
  }

 private:
  void Rebuild();
  const int levels_;
  std::vector<std::vector<int>> near_;
  std::vector<int> others_;
  std::vector<int32_t> next_;  // [offset of n + state][m]
  std::vector<size_t> offset_;
  size_t total_ = 0;
};

class LevelPaths {
 public:
  LevelPaths(const BlockInstance& instance, const LevelMemory& memory) : in_(instance), memory_(memory) {}

  // The least sum of block costs, hops and ends; kNever where there is no path.
  double Solve(const LevelTable& table, const PathEnds& ends);
  // The path of the last Solve, which must have found one.
  std::vector<LevelBlock> Trace() const;
  // After the block on n that ends before unit l, with its state then: cheapest rest.
  double Completion(int l, int n, int state) const {
    return after_[static_cast<size_t>(l) * memory_.total() + memory_.Offset(n) + static_cast<size_t>(state)];
  }

 private:
  void Arrive(int l);
  void Leave(int l);

  const BlockInstance& in_;
  const LevelMemory& memory_;
  const LevelTable* table_ = nullptr;
  PathEnds ends_;
  std::vector<double> at_;                       // [l][state] begin a block on n at l
  std::vector<double> after_;                    // [l][state]
  std::vector<std::pair<double, int>> nearest_;  // [n][rank] next servers as they were for the last unit
};

}  // namespace dilemma
