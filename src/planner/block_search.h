// Label search over blocks: extends partial plans block by block in order of units, keeps what may still beat
// the incumbent by the Lagrangian bounds of block_bound.h, drops what another plan of the same servers beats
// in cost and loss. A pass keeps at most `width` labels per unit; what it leaves out is remembered by its
// least bound, so that every pass yields a valid lower bound and one that left nothing out is a proof.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "planner/block_bound.h"
#include "planner/block_instance.h"
#include "planner/block_table.h"
#include "planner/ng_paths.h"

namespace dilemma {

// Completion bounds for paths with the same ends at one price on loss.
struct Completion {
  Prices prices;
  double constant = 0;
  std::vector<double> of_block;  // pi + kappa
  std::unique_ptr<NgPaths> paths;
};

// Paths with these ends: all of them, or (with a ring) those that begin on one server.
struct Branch {
  PathEnds ends;
  int first = -1;                       // the first server; -1: any
  double bound = 0;                     // at the main price
  Prices own;                           // its best prices, where they were looked for
  std::vector<Completion> completions;  // [0] at the main price
  std::unique_ptr<NgPaths> arrival;     // reversed, at the main price
};

class BlockSearch {
 public:
  BlockSearch(const BlockInstance& instance, BlockTable& table, BlockBound& bound, Incumbent& incumbent,
              std::function<bool()> stop);

  // Bounds per branch; with a ring, one branch per first server that may still be better than the incumbent.
  void Prepare(double gap);
  double bound() const { return bound_; }
  // One pass that looks for plans below `cutoff` (and below the incumbent less gap), with at most `choices`
  // ways to choose the types of a block. Raises bound(). Whether nothing below the cutoff was left out.
  bool Pass(size_t width, double cutoff, double gap, size_t choices);
  int64_t labels() const { return labels_made_; }
  bool out_of_memory() const { return out_of_memory_; }

 private:
  static constexpr int kMostPrices = 4;
  struct Label {
    double cost = 0, loss = 0;
    double bound = 0;
    uint64_t visited = 0;
    double price[kMostPrices] = {};  // sum over its blocks, at each price on loss
    int32_t parent = -1, parent_unit = 0;
    int32_t point = -1;
    int32_t state = 0;  // ng memory
    int16_t server = -1, branch = 0;
  };
  struct Choices {
    BlockChoices list;
    double limit = -1;  // that it was made for
  };

  void AddBranch(PathEnds ends, int first, double gap);
  void AddCompletions(Branch& branch);
  void AddCompletion(Branch& branch, Prices prices);
  void DropBlocks(double cutoff);
  double BlockLimit(int n, int a, int k, double cutoff) const;
  const Choices& ChoicesOf(int n, int a, int k);
  void Start();
  void Extend(int l);
  void ExtendTo(const Label& from, int l, int32_t index, int m);
  void AddPoints(const Label& from, int l, int32_t index, int m, int k, int state, double hop,
                 const Branch& branch);
  bool BoundLabel(Label& label, int l, const Branch& branch) const;
  void Finish(const Label& label, int l, int k);
  void Reduce(std::vector<Label>& labels);
  void Trace(const Label& last);
  void Lower(double bound) { dropped_ = bound < dropped_ ? bound : dropped_; }

  const BlockInstance& in_;
  BlockTable& table_;
  BlockBound& lagrangian_;
  Incumbent& incumbent_;
  std::function<bool()> stop_;
  std::vector<Branch> branches_;
  std::vector<double> extra_mu_;
  std::vector<double> least_loss_;  // [u] of units u ..
  std::vector<Choices> choices_;    // [(n * units + a) * (units + 1) + k], lazily
  std::vector<std::vector<Label>> layers_;
  double bound_ = 0, dropped_ = kNever, cutoff_ = kNever, gap_ = 0;
  size_t width_ = 0, choices_kept_ = 0;
  int64_t labels_made_ = 0, labels_held_ = 0;
  bool stopped_ = false, out_of_memory_ = false;
};

}  // namespace dilemma
