// Plans of the any-assignment method that begin and end in some way: all plans, or, with a ring, those that
// begin on one server, for which the way back is known. A branch has prices, neighbourhoods and a search of
// its own; each step raises its bound, or finds plans, or makes the next step wider.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "planner/any_bound.h"
#include "planner/any_search.h"
#include "planner/block_instance.h"
#include "planner/room_grid.h"

namespace dilemma {

class AnyBranch {
 public:
  // `incumbent` and its plans are shared; `found` gets assignments of paths met. Plans that are not better
  // than the incumbent by `gap` are not looked for. `quick`: few steps and narrow passes alone.
  AnyBranch(const BlockInstance& instance, PathEnds ends, AnyBound::Found found, Incumbent& incumbent,
            std::function<bool()> stop, double gap, bool quick);

  // The first prices; false where there is no path.
  bool Begin();
  // Takes over the prices of a branch of more plans.
  void BeginAt(const AnyBranch& wider);
  // Prices; then neighbourhoods, until they do not help any more; then passes of growing width.
  void Step();

  double lower() const { return lower_; }
  bool Proven() const { return lower_ >= incumbent_.cost * (1 - gap_); }
  // The search has reached its width, or its memory.
  bool exhausted() const;
  // The last pass was wide and yet left something out.
  bool slow() const { return slow_; }

 private:
  void FindPrices(double gain);
  void Widen();
  void Prepare();
  void Pass();

  const BlockInstance& in_;
  Incumbent& incumbent_;
  const std::function<bool()> stop_;
  const double gap_;
  const bool quick_;
  AnyBound bound_;
  std::unique_ptr<RoomGrid> rooms_;
  std::unique_ptr<AnySearch> search_;
  double lower_ = 0, window_ = 0;
  size_t width_ = 0;
  int round_ = 0;  // of widening; past the last one: settled
  bool priced_ = false, slow_ = false;
};

}  // namespace dilemma
