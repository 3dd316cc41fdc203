// The cheapest rest of a plan from within a block: what the last units of this block may still take of its
// server's memory, and the best way on (level_paths.h) after it.
#pragma once

#include <vector>

#include "planner/any_bound.h"
#include "planner/block_instance.h"
#include "planner/room_grid.h"

namespace dilemma {

class UnitCompletions {
 public:
  // `bound` must be settled.
  UnitCompletions(const BlockInstance& instance, const RoomGrid& rooms, const AnyBound& bound);
  // Units 0 .. l-1 are placed, the last one on n, which has `room` (an index) left; `others` is n's state (of
  // LevelMemory) at level 0 of its own. Priced; l >= 1.
  double Rest(int l, int n, int room, int others) const {
    return rest_[static_cast<size_t>(l) * total_ + offset_[static_cast<size_t>(n)] +
                 static_cast<size_t>(room) * static_cast<size_t>(others_[static_cast<size_t>(n)]) +
                 static_cast<size_t>(others)];
  }

 private:
  std::vector<int> others_;     // [n] number of states of others
  std::vector<size_t> offset_;  // [n]
  size_t total_ = 0;
  std::vector<double> rest_;  // [l][n][room][others]
};

}  // namespace dilemma
