#include "planner/unit_completions.h"

#include <algorithm>

namespace dilemma {

UnitCompletions::UnitCompletions(const BlockInstance& in, const RoomGrid& rooms, const AnyBound& bound) {
  for (int n = 0; n < in.servers; ++n) {
    others_.push_back(bound.memory().Others(n));
    offset_.push_back(total_);
    total_ += static_cast<size_t>(rooms.Size(n)) * static_cast<size_t>(others_.back());
  }
  rest_.assign(static_cast<size_t>(in.units + 1) * total_, kNever);
  const BlockPrices& prices = bound.prices();
  for (int l = in.units; l >= 1; --l) {
    for (int n = 0; n < in.servers; ++n) {
      const auto i = static_cast<size_t>(n), others = static_cast<size_t>(others_[i]);
      double* here = &rest_[static_cast<size_t>(l) * total_ + offset_[i]];
      for (int r = 0; r < rooms.Size(n); ++r) {
        const int64_t room = std::min(rooms.Room(n, r), in.memory[i]);
        double* row = here + static_cast<size_t>(r) * others;
        const int level = bound.table().LevelOf(n, in.memory[i] - room);
        for (size_t o = 0; o < others; ++o)
          row[o] = bound.paths().Completion(l, n, level * others_[i] + static_cast<int>(o));
        if (l == in.units) continue;
        for (const Item& item : in.Items(l, n)) {
          const int64_t bytes = in.LeastBytes(n, l, l + 1) + item.excess;
          if (bytes > room) continue;
          const double priced =
              item.cost + prices.mu * item.loss + prices.Memory(n) * static_cast<double>(bytes);
          const double* next = here + total_ + static_cast<size_t>(rooms.Index(n, room - bytes)) * others;
          for (size_t o = 0; o < others; ++o) row[o] = std::min(row[o], priced + next[o]);
        }
      }
    }
  }
}

}  // namespace dilemma
