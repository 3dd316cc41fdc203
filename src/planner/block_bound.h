// Lagrangian lower bounds for one block per server (docs/formulation.md): a price mu on loss, pi[n] on using
// a server twice, kappa on the number of blocks. For given prices the rest is a path (ng_paths.h) over blocks
// (block_table.h). All prices move together (price_bundle.h). Paths met on the way become assignments where
// they can: the upper bound.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "planner/block_instance.h"
#include "planner/block_table.h"
#include "planner/ng_paths.h"
#include "planner/price_bundle.h"

namespace dilemma {

struct Prices {
  double mu = 0;
  double kappa = 0;
  std::vector<double> pi;                // [n]
  std::vector<double> OfBlocks() const;  // pi[n] + kappa
};

// Best assignment so far, by units: server index of the BlockInstance and type of the Problem.
struct Incumbent {
  double cost = kNever;
  std::vector<int> server, type;
};

class BlockBound {
 public:
  // `stop` is polled: true ends work early with what is proven so far. `incumbent` is shared with the search.
  BlockBound(const BlockInstance& instance, BlockTable& table, Incumbent& incumbent,
             std::function<bool()> stop);

  // Optimises all prices for paths with these ends, without any memory. False where there is no path at all:
  // proven infeasible.
  bool Begin(const PathEnds& ends);
  // Widens neighbourhoods to at most `most` servers each and optimises the prices again. Whether it may help
  // to go on.
  bool Cycle(int most);
  // Local search over the order of servers, from the best path so far, with about as many rounds over all
  // moves as `sweeps` says; then the best cuts of that order at prices on loss where the budget is just kept.
  // Improves the incumbent alone.
  void SearchOrders(int sweeps, uint64_t seed);
  // Looks for plans along the best bounds (block_beam.h), then drops all blocks that no plan better than the
  // incumbent less `gap` can have: bounds from here on hold for such plans alone.
  void Dive(size_t width, double gap);
  // Improves pi and kappa alone for other ends, at the mu of the table; returns the bound. `prices` in, best
  // out.
  double Improve(const PathEnds& ends, Prices& prices, int iterations);

  // Improves all prices for other ends, until their bound reaches `enough`; the table is at their mu then.
  double ImproveAll(const PathEnds& ends, Prices& prices, int evaluations, double enough);

  double bound() const { return main_->bound; }
  // A middling cost of all units: a scale for problems whose least cost is 0.
  double TypicalCost() const;
  const Prices& prices() const { return main_->prices; }
  const Neighbourhoods& near() const { return near_; }
  // What the prices take off again: the constant term of the Lagrangian.
  double Constant(const Prices& prices) const;

  // The assignment of a path without repeated servers, its types chosen for its blocks by bisection on mu;
  // becomes the incumbent where it is better. `ring` is added where the instance has one.
  void TryPath(const std::vector<Block>& path, double mu);

 private:
  // All prices of paths with some ends, on their way up.
  struct Ascent {
    Ascent(const BlockInstance& in, const Neighbourhoods& near, PathEnds ends);
    PathEnds ends;
    NgPaths paths;
    PriceBundle bundle;
    std::vector<std::vector<Block>> cut_paths;  // by tag of the bundle's cuts
    std::vector<double> slope;                  // of the last evaluation: loss, servers, number of blocks
    double bound = -kNever;
    Prices prices;                 // of `bound`
    std::vector<Block> best_path;  // there
  };
  double Evaluate(Ascent& ascent, const Prices& prices);
  void BracketMu(Ascent& ascent, double mu, int evaluations);
  void Climb(Ascent& ascent, int evaluations, double worthwhile);
  bool Widen(int most);
  bool UsesDropped(const std::vector<Block>& path) const;
  void DropBlocks(const NgPaths& completion, double gap);
  void Recut(const std::vector<int>& order, double mu);
  double PathCost(const std::vector<Block>& path) const;

  const BlockInstance& in_;
  BlockTable& table_;
  Incumbent& incumbent_;
  std::function<bool()> stop_;
  Neighbourhoods near_;
  std::unique_ptr<Ascent> main_;
  std::vector<int> order_;  // best order of servers so far
  std::vector<int> recut_;  // the last one that Dive cut anew
  double estimate_ = 0;     // guess of the optimum while there is no incumbent
};

}  // namespace dilemma
