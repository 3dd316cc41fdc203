// Label search where a server may hold several blocks: one unit after the other, each label a way to place
// the first ones. A label remembers the room that every server has left and beats another of the same server
// where it costs and loses no more and has no less room anywhere. Widths are limited: the least bound of what
// was left out is a bound.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "planner/any_bound.h"
#include "planner/block_bound.h"
#include "planner/block_instance.h"
#include "planner/room_grid.h"
#include "planner/unit_completions.h"

namespace dilemma {

class AnySearch {
 public:
  // `bound` must be settled and stay so.
  AnySearch(const BlockInstance& instance, const RoomGrid& rooms, const AnyBound& bound, Incumbent& incumbent,
            std::function<bool()> stop);

  // Looks for plans that cost less than `cutoff` and less than the incumbent by `gap`. True where all were
  // looked at; bound() is raised either way.
  bool Pass(size_t width, double cutoff, double gap);
  double bound() const { return bound_; }
  bool out_of_memory() const { return out_of_memory_; }

 private:
  struct Label {
    double cost = 0, loss = 0, bound = 0;
    double priced = 0;  // cost, and what loss and memory cost at the prices
    int32_t parent = -1;
    int16_t server = -1, first = -1, item = -1;
  };
  struct Layer {
    std::vector<Label> labels;
    std::vector<int64_t> room;  // [label][server] bytes
    double limit = kNever;      // of bounds; more labels than will be kept are below it
  };

  void Extend(const Label& from, const int64_t* room, int l, int32_t index);
  void ExtendTo(const Label& from, const int64_t* room, int l, int32_t index, int m);
  void Finish(const Label& label);
  void Thin(Layer& layer);
  void Reduce(Layer& layer);
  void BeatEqualRooms(const Layer& layer, const std::vector<size_t>& alive, std::vector<char>& beaten) const;
  void BeatByBest(const Layer& layer, const std::vector<size_t>& order, std::vector<char>& beaten) const;
  void Lower(double bound) { dropped_ = bound < dropped_ ? bound : dropped_; }
  void Trace(const Label& last);
  size_t Servers() const { return static_cast<size_t>(in_.servers); }

  const BlockInstance& in_;
  const RoomGrid& rooms_;
  const AnyBound& lagrangian_;
  Incumbent& incumbent_;
  std::function<bool()> stop_;
  UnitCompletions rest_;
  std::vector<double> least_loss_;  // [l] of units l ..
  std::vector<int> levels_;         // scratch: of the label that is extended
  std::vector<Layer> layers_;       // rooms of the last two alone
  double constant_ = 0, bound_ = 0, dropped_ = kNever, cutoff_ = kNever, gap_ = 0;
  size_t width_ = 0;
  int64_t labels_held_ = 0;
  bool out_of_memory_ = false;
};

}  // namespace dilemma
