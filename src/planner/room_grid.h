// How much room a server may have left, as far as it matters. Rooms between two sums of units' sizes hold the
// same: where there are not too many sums, labels and completions know these alone. Completions round rooms
// up to a grid where they are many, which bounds may do and plans may not.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/block_instance.h"

namespace dilemma {

class RoomGrid {
 public:
  // At most about `most` indices a server.
  RoomGrid(const BlockInstance& instance, size_t most);
  int Size(int n) const { return static_cast<int>(servers_[static_cast<size_t>(n)].rooms.size()); }
  int64_t Room(int n, int index) const {
    return servers_[static_cast<size_t>(n)].rooms[static_cast<size_t>(index)];
  }
  // The index that stands for a room of 0 .. memory: of one that holds as much, or more.
  int Index(int n, int64_t room) const;
  // The least room that holds whatever `room` does, as far as is known.
  int64_t Canonical(int n, int64_t room) const;

 private:
  struct Server {
    std::vector<int64_t> sums;   // ascending, from 0; empty: too many
    std::vector<int64_t> rooms;  // as indexed
    bool grid = false;
    int64_t step = 1;       // of `hint`
    int64_t least = 0;      // what any unit takes at least
    std::vector<int> hint;  // [room / step] how many sums are at most that large, less 1
  };
  static size_t LargestSum(const Server& server, int64_t room);

  std::vector<Server> servers_;
};

}  // namespace dilemma
