#include "fleet/branching.h"

#include <algorithm>
#include <cmath>

namespace dilemma {
namespace {

constexpr double kPricingGap = 1e-3;
constexpr double kSmoothing = 0.5;  // weight of the best prices in the ones that are tried next
constexpr int kNodeRounds = 3;
constexpr double kNodeConverged = 1e-3;
constexpr double kWhole = 1 - 1e-6;
constexpr double kShave = 1e-11;

FleetPrices Mix(const FleetPrices& a, double weight_of_a, const FleetPrices& b) {
  FleetPrices mix = b;
  const auto part = [weight_of_a](const std::vector<double>& x, std::vector<double>& y) {
    for (size_t n = 0; n < y.size(); ++n)
      y[n] = (x.empty() ? 0 : weight_of_a * x[n]) + (1 - weight_of_a) * y[n];
  };
  part(a.memory, mix.memory);
  part(a.disk, mix.disk);
  part(a.busy, mix.busy);
  return mix;
}

}  // namespace

Master::Keep Promising(const Priced& bound, double objective) {
  return [bound, objective](int model, const Placed& placed) {
    const double least = bound.models[static_cast<size_t>(model)];
    return bound.bound + placed.cost + bound.prices.Of(placed.use) - least < objective * (1 + kShave);
  };
}

bool Branching::Hopeless(double bound) const { return bound >= incumbent_.objective() * (1 - 1e-9); }

Placed Branching::PriceModel(int model, const ModelView& view, const FleetPrices& prices,
                             const Master::Keep& keep) {
  const Placed* start = nullptr;
  double least = kNever;
  for (const Placed& known : master_.columns()[static_cast<size_t>(model)]) {
    const double priced = known.cost + prices.Of(known.use);
    if (priced >= least || (keep && !keep(model, known))) continue;
    least = priced;
    start = &known;
  }
  Placed placed = solver_.Solve(model, view, nullptr, prices, kPricingGap, Effort::kPlan,
                                start != nullptr ? start->assignment : Assignment{});
  if (placed.found()) master_.Add(model, placed);
  return placed;
}

Priced Branching::Price(const std::vector<ModelView>& views, const FleetPrices& prices,
                        const Master::Keep& keep) {
  Priced priced;
  priced.prices = prices;
  double sum = -prices.Constant(fleet_) * (1 + kShave);
  for (int k = 0; k < fleet_.size(); ++k) {
    if (incumbent_.Stopped()) return {};
    const double bound = PriceModel(k, views[static_cast<size_t>(k)], prices, keep).bound;
    priced.models.push_back(bound);
    sum += bound;
  }
  priced.bound = sum;
  return priced;
}

void Branching::Generate(const std::vector<ModelView>& views, const Master::Keep& keep, int rounds,
                         double converged, Priced& best) {
  double smoothing = best.models.empty() ? 0 : kSmoothing;
  for (int round = 0; round < rounds && !incumbent_.Stopped() && !Hopeless(best.bound); ++round) {
    const Master::Relaxation master = master_.Relax(penalty_, keep);
    // A model without a known plan here: the best prices find one, or that there is none.
    if (master.solved && master.value - best.bound <= converged * std::abs(master.value)) return;
    const FleetPrices prices = master.solved ? Mix(best.prices, smoothing, master.prices) : best.prices;
    Priced now = Price(views, prices, keep);
    if (now.models.empty()) return;  // stopped
    if (now.bound > best.bound) {
      best = std::move(now);
      smoothing = kSmoothing;
      if (!keep) incumbent_.Raise(best.bound);  // all plans
    } else {
      smoothing *= 0.5;
      if (!master.solved) return;
    }
  }
}

std::vector<ModelView> Branching::ViewsOf(const std::vector<Fixed>& fixed) const {
  std::vector<ModelView> views = views_;
  for (const Fixed& f : fixed) {
    ModelView& view = views[static_cast<size_t>(f.model)];
    for (int i = 0; i < view.problem.servers; ++i)
      if (view.servers[static_cast<size_t>(i)] != f.server)
        view.problem.allowed[view.problem.Un(f.unit, i)] = 0;
  }
  return views;
}

// Where the mix puts one unit of a model on several servers, most evenly.
Branching::Choice Branching::MostDivided(const Master::Relaxation& relaxation) const {
  Choice choice;
  double least = kWhole;
  for (int k = 0; k < fleet_.size(); ++k) {
    const auto i = static_cast<size_t>(k);
    const std::vector<Placed>& columns = master_.columns()[i];
    const int units = views_[i].problem.units;
    for (int u = 0; u < units; ++u) {
      std::vector<double> share(static_cast<size_t>(fleet_.servers()), 0.0);
      for (size_t c = 0; c < relaxation.weight[i].size(); ++c)
        share[static_cast<size_t>(columns[c].assignment[static_cast<size_t>(u)].server)] +=
            relaxation.weight[i][c];
      const double largest = *std::max_element(share.begin(), share.end());
      if (largest < least - 1e-9) {
        least = largest;
        choice = {k, u};
      }
    }
  }
  return choice;
}

void Branching::TryChoice(const Priced& root) {
  const JointAssignment plan = master_.Choose(
      incumbent_.SecondsLeft(), incumbent_.plan(), [this] { return incumbent_.Stopped(); },
      Promising(root, incumbent_.objective()));
  if (!plan.empty()) incumbent_.Take(plan);
}

// Improves the node's bound, divides it and puts its children on the heap.
void Branching::Open(Node node) {
  const Master::Keep keep = [&node](int model, const Placed& placed) {
    return std::all_of(node.fixed.begin(), node.fixed.end(), [&](const Fixed& f) {
      return f.model != model || placed.assignment[static_cast<size_t>(f.unit)].server == f.server;
    });
  };
  const std::vector<ModelView> views = ViewsOf(node.fixed);
  Generate(views, keep, kNodeRounds, kNodeConverged, node.priced);
  if (Hopeless(node.priced.bound)) return;
  const Master::Relaxation relaxation = master_.Relax(penalty_, keep);
  const Choice choice = relaxation.solved ? MostDivided(relaxation) : Choice{};
  if (choice.model < 0 || incumbent_.Stopped()) {
    closed_ = std::min(closed_, node.priced.bound);
    return;
  }
  const auto k = static_cast<size_t>(choice.model);
  for (const int server : views[k].servers) {
    Node child;
    child.fixed = node.fixed;
    child.fixed.push_back({choice.model, choice.unit, server});
    child.priced = node.priced;
    child.number = ++numbers_;
    if (!incumbent_.Stopped()) {
      const ModelView view = ViewsOf(child.fixed)[k];
      const double bound = PriceModel(choice.model, view, node.priced.prices, [&](int, const Placed& placed) {
                             return keep(choice.model, placed) &&
                                    placed.assignment[static_cast<size_t>(choice.unit)].server == server;
                           }).bound;
      child.priced.bound += bound - node.priced.models[k];
      child.priced.models[k] = bound;
      child.priced.bound = std::max(child.priced.bound, node.priced.bound);
    }
    if (Hopeless(child.priced.bound)) continue;
    open_.push_back(std::move(child));
    std::push_heap(open_.begin(), open_.end(), [](const Node& a, const Node& b) {
      return a.priced.bound != b.priced.bound ? a.priced.bound > b.priced.bound : a.number > b.number;
    });
  }
}

void Branching::Run(const Priced& root, int nodes, const std::function<void()>& between) {
  open_ = {{root, {}, 0}};
  const auto later = [](const Node& a, const Node& b) {
    return a.priced.bound != b.priced.bound ? a.priced.bound > b.priced.bound : a.number > b.number;
  };
  for (int opened = 0; opened < nodes && !open_.empty(); ++opened) {
    incumbent_.Raise(std::min({open_.front().priced.bound, closed_, incumbent_.objective()}));
    if (incumbent_.Proven() || incumbent_.Stopped() || closed_ <= incumbent_.bound()) return;
    std::pop_heap(open_.begin(), open_.end(), later);
    Node node = std::move(open_.back());
    open_.pop_back();
    Open(std::move(node));
    TryChoice(root);
    between();
  }
  const double rest = open_.empty() ? incumbent_.objective() : open_.front().priced.bound;
  if (rest != kNever) incumbent_.Raise(std::min({rest, closed_, incumbent_.objective()}));
}

}  // namespace dilemma
