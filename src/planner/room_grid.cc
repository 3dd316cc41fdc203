#include "planner/room_grid.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace dilemma {
namespace {

constexpr size_t kMostSums = 16384;
constexpr int64_t kHints = 2048;

using Sizes = std::vector<int64_t>;

Sizes SizesOf(const BlockInstance& in, int u, int n) {
  Sizes sizes;
  for (const Item& item : in.Items(u, n)) sizes.push_back(in.LeastBytes(n, u, u + 1) + item.excess);
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

// Adds `sizes` to every sum once, or as often as they fit. False where there are too many sums.
bool AddSizes(const Sizes& sizes, bool once, int64_t memory, std::set<int64_t>& sums) {
  const std::vector<int64_t> before(sums.begin(), sums.end());
  const auto add = [&](int64_t sum) {
    for (const int64_t size : sizes)
      if (size <= memory - sum) sums.insert(sum + size);
  };
  if (once) {
    for (const int64_t sum : before) add(sum);
  } else {
    for (auto sum = sums.begin(); sum != sums.end() && sums.size() <= kMostSums; ++sum) add(*sum);
  }
  return sums.size() <= kMostSums;
}

// Sums of the sizes that units and stages may take on n together; empty where they are too many.
std::vector<int64_t> SumsOf(const BlockInstance& in, int n) {
  const int64_t memory = in.memory[static_cast<size_t>(n)], stage = in.stage[static_cast<size_t>(n)];
  std::map<Sizes, int> menus;
  for (int u = 0; u < in.units; ++u) ++menus[SizesOf(in, u, n)];
  std::set<int64_t> sums = {0};
  Sizes often;
  if (stage > 0) often.push_back(stage);
  for (const auto& [sizes, count] : menus) {
    if (count > 1) often.insert(often.end(), sizes.begin(), sizes.end());
    if (count == 1 && !AddSizes(sizes, true, memory, sums)) return {};
  }
  std::erase(often, 0);
  if (!AddSizes(often, false, memory, sums)) return {};
  return {sums.begin(), sums.end()};
}

}  // namespace

RoomGrid::RoomGrid(const BlockInstance& instance, size_t most) {
  for (int n = 0; n < instance.servers; ++n) {
    const int64_t memory = instance.memory[static_cast<size_t>(n)];
    Server server;
    server.sums = SumsOf(instance, n);
    server.least = std::numeric_limits<int64_t>::max();
    for (int u = 0; u < instance.units; ++u)
      if (!instance.Items(u, n).empty())
        server.least = std::min(server.least, instance.LeastBytes(n, u, u + 1));
    server.step = memory / kHints + 1;
    for (int64_t room = 0; !server.sums.empty() && room <= memory + server.step; room += server.step)
      server.hint.push_back(static_cast<int>(std::upper_bound(server.sums.begin(), server.sums.end(), room) -
                                             server.sums.begin()) -
                            1);
    server.grid = server.sums.empty() || server.sums.size() > most;
    server.rooms = server.sums;
    if (server.grid) {
      const int64_t step = memory / static_cast<int64_t>(most) + 1;
      server.rooms.clear();
      for (int64_t room = 0; room < memory + step; room += step) server.rooms.push_back(room);
    }
    servers_.push_back(std::move(server));
  }
}

size_t RoomGrid::LargestSum(const Server& server, int64_t room) {
  const auto bucket = static_cast<size_t>(room / server.step);
  const auto from = server.sums.begin() + server.hint[bucket];
  const auto to = server.sums.begin() + server.hint[bucket + 1] + 1;
  return static_cast<size_t>(std::upper_bound(from, to, room) - server.sums.begin()) - 1;
}

int RoomGrid::Index(int n, int64_t room) const {
  const Server& server = servers_[static_cast<size_t>(n)];
  if (!server.grid) return static_cast<int>(LargestSum(server, room));
  const int64_t step = server.rooms[1];
  return static_cast<int>((room + step - 1) / step);
}

int64_t RoomGrid::Canonical(int n, int64_t room) const {
  const Server& server = servers_[static_cast<size_t>(n)];
  if (server.sums.empty()) return room < server.least ? 0 : room;
  return server.sums[LargestSum(server, room)];
}

}  // namespace dilemma
