#include "fleet/insertion.h"

#include <algorithm>
#include <utility>

namespace dilemma {
namespace {

constexpr double kLeastGain = 1e-9;  // of the joint objective, for a change to count

bool Share(const std::vector<ServerUse>& a, const std::vector<ServerUse>& b) {
  for (size_t n = 0; n < a.size(); ++n)
    if (a[n].stages > 0 && b[n].stages > 0) return true;
  return false;
}

}  // namespace

Placed Insertion::Solve(int model, const Room& room, const FleetPrices& prices, const Assignment& start) {
  Placed placed =
      solver_.Solve(model, views_[static_cast<size_t>(model)], &room, prices, gap_, Effort::kPlan, start);
  if (met_ && placed.found()) met_(model, placed);
  return placed;
}

bool Insertion::FillOnce(const std::vector<int>& order, const FleetPrices& prices,
                         std::vector<Placed>& placed, int& failed) {
  placed.assign(static_cast<size_t>(fleet_.size()), {});
  Room room = Room::Of(fleet_);
  for (const int k : order) {
    if (incumbent_.Stopped()) return false;
    const auto i = static_cast<size_t>(k);
    placed[i] = Solve(k, room, prices, {});
    failed = k;
    if (!placed[i].found()) return false;
    room.Take(placed[i].use);
  }
  return true;
}

bool Insertion::Fill(std::vector<int> order, const FleetPrices& prices, int tries) {
  std::vector<Placed> placed;
  for (int attempt = 0; attempt < tries && !incumbent_.Stopped(); ++attempt) {
    int failed = -1;
    if (FillOnce(order, prices, placed, failed)) {
      Settle(std::move(placed));
      return true;
    }
    const auto at = std::find(order.begin(), order.end(), failed);
    if (at == order.begin() || at == order.end()) return false;  // no room even on empty servers
    std::rotate(order.begin(), at, at + 1);
  }
  return false;
}

void Insertion::Polish(const JointAssignment& plan) { Settle(solver_.At(plan)); }

void Insertion::Settle(std::vector<Placed> placed) {
  do incumbent_.Take(PlanOf(placed));
  while (Again(placed));
}

bool Insertion::Again(std::vector<Placed>& placed) {
  bool better = false;
  Room room = RoomOf(fleet_, placed);
  for (int k = 0; k < fleet_.size() && !incumbent_.Stopped(); ++k) {
    const auto i = static_cast<size_t>(k);
    room.Give(placed[i].use);
    Placed again = Solve(k, room, FleetPrices{}, placed[i].assignment);
    if (again.found() && again.cost < placed[i].cost * (1 - 1e-6)) {
      placed[i] = std::move(again);
      better = true;
    }
    room.Take(placed[i].use);
  }
  return better;
}

bool Insertion::Pair(std::vector<Placed>& placed, int a, int b, const FleetPrices& prices) {
  const auto i = static_cast<size_t>(a), j = static_cast<size_t>(b);
  Room room = RoomOf(fleet_, placed);
  room.Give(placed[i].use);
  room.Give(placed[j].use);
  const double before = placed[i].cost + placed[j].cost;
  const Placed first = Solve(a, room, prices, placed[i].assignment);
  if (!first.found() || first.cost >= before) return false;
  room.Take(first.use);
  const Placed second = Solve(b, room, FleetPrices{}, placed[j].assignment);
  if (!second.found() || first.cost + second.cost >= before - kLeastGain * incumbent_.objective())
    return false;
  placed[i] = first;
  placed[j] = second;
  return true;
}

void Insertion::Improve(const FleetPrices& prices, int rounds) {
  if (!incumbent_.HasPlan()) return;
  std::vector<Placed> placed = solver_.At(incumbent_.plan());
  for (int round = 0; round < rounds && !incumbent_.Stopped(); ++round) {
    bool better = Again(placed);
    for (int a = 0; a < fleet_.size(); ++a) {
      for (int b = 0; b < fleet_.size() && !incumbent_.Stopped(); ++b) {
        if (a == b || !Share(placed[static_cast<size_t>(a)].use, placed[static_cast<size_t>(b)].use))
          continue;
        better = Pair(placed, a, b, round % 2 == 0 ? FleetPrices{} : prices) || better;
      }
    }
    if (better) incumbent_.Take(PlanOf(placed));
    if (!better && round > 0) break;
  }
}

}  // namespace dilemma
