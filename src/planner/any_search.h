// Label search where a server may hold several blocks: as block_search.h, but a label remembers what it has
// used of every server's memory, and beats another only where it has used no more of any.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "planner/any_bound.h"
#include "planner/block_bound.h"
#include "planner/block_instance.h"
#include "planner/block_table.h"

namespace dilemma {

class AnySearch {
 public:
  AnySearch(const BlockInstance& instance, const BlockTable& table, const AnyBound& bound,
            Incumbent& incumbent, std::function<bool()> stop);

  // As BlockSearch::Pass. bound() is raised where more was proven.
  bool Pass(size_t width, double cutoff, double gap, size_t choices);
  double bound() const { return bound_; }
  bool out_of_memory() const { return out_of_memory_; }

 private:
  struct Label {
    double cost = 0, loss = 0, bound = 0;
    double memory_price = 0;  // of all blocks so far
    int32_t parent = -1, parent_unit = 0, point = -1;
    int16_t server = -1, first = -1;
  };
  struct Layer {
    std::vector<Label> labels;
    std::vector<int64_t> used;  // [label][server] bytes
  };
  struct Choices {
    BlockChoices list;
    double limit = -1;
  };

  const Choices& ChoicesOf(int n, int a, int k);
  void ExtendTo(const Label& from, const int64_t* used, int l, int32_t index, int m);
  void AddPoints(const Label& from, const int64_t* used, int l, int32_t index, int m, int k, double base);
  void Finish(const Label& label);
  void Reduce(Layer& layer);
  void MarkBeaten(const Layer& layer, std::vector<size_t>& order, std::vector<char>& beaten) const;
  void Lower(double bound) { dropped_ = bound < dropped_ ? bound : dropped_; }
  void Trace(const Label& last);

  const BlockInstance& in_;
  const BlockTable& table_;
  const AnyBound& lagrangian_;
  Incumbent& incumbent_;
  std::function<bool()> stop_;
  Neighbourhoods near_;
  NgPaths arrival_;
  std::vector<double> least_loss_;
  std::vector<Choices> choices_;
  std::vector<Layer> layers_;
  double constant_ = 0, bound_ = 0, dropped_ = kNever, cutoff_ = kNever, gap_ = 0;
  size_t width_ = 0, choices_kept_ = 0;
  int64_t labels_held_ = 0;
  bool out_of_memory_ = false;
};

}  // namespace dilemma
