#include "planner/block_search.h"

#include <algorithm>
#include <cmath>

namespace dilemma {
namespace {

constexpr double kLossTolerance = 1e-10;
constexpr double kShave = 1e-11;
constexpr int kBranchIterations = 10, kBranchEvaluations = 24;
constexpr int64_t kMostLabels = 20'000'000;  // held at once: about 2 GB
constexpr int64_t kPollEvery = 256;

}  // namespace

BlockSearch::BlockSearch(const BlockInstance& instance, BlockTable& table, BlockBound& bound,
                         Incumbent& incumbent, std::function<bool()> stop)
    : in_(instance), table_(table), lagrangian_(bound), incumbent_(incumbent), stop_(std::move(stop)) {
  least_loss_.assign(static_cast<size_t>(in_.units) + 1, 0.0);
  for (int u = in_.units - 1; u >= 0; --u) {
    double least = kNever;
    for (int n = 0; n < in_.servers; ++n)
      for (const Item& item : in_.Items(u, n)) least = std::min(least, item.loss);
    least_loss_[static_cast<size_t>(u)] = least_loss_[static_cast<size_t>(u) + 1] + least;
  }
}

void BlockSearch::AddCompletions(Branch& branch) {
  const double main_mu = lagrangian_.prices().mu;
  if (!branch.own.pi.empty()) AddCompletion(branch, branch.own);
  for (const double mu : extra_mu_) {
    Prices prices = branch.completions[0].prices;
    prices.mu = mu;
    table_.Compute(mu);
    lagrangian_.Improve(branch.ends, prices, kBranchIterations);
    AddCompletion(branch, std::move(prices));
  }
  if (table_.mu() != main_mu) table_.Compute(main_mu);
}

void BlockSearch::AddCompletion(Branch& branch, Prices prices) {
  Completion more;
  if (table_.mu() != prices.mu) table_.Compute(prices.mu);
  more.constant = lagrangian_.Constant(prices);
  more.of_block = prices.OfBlocks();
  more.prices = std::move(prices);
  more.paths = std::make_unique<NgPaths>(in_, lagrangian_.near());
  more.paths->Solve(table_, branch.ends, more.of_block);
  branch.completions.push_back(std::move(more));
}

void BlockSearch::AddBranch(PathEnds ends, int first, double gap) {
  Branch branch;
  branch.ends = std::move(ends);
  branch.first = first;
  Completion main;
  main.prices = lagrangian_.prices();
  NgPaths probe(in_, lagrangian_.near());
  const auto bound_of = [&](const Prices& prices) {
    const double least = probe.Solve(table_, branch.ends, prices.OfBlocks());
    return least == kNever ? kNever : least - lagrangian_.Constant(prices) - kShave * std::abs(least);
  };
  branch.bound = bound_of(main.prices);
  const double enough = incumbent_.cost * (1 - gap);
  if (first >= 0 && branch.bound < enough) {
    branch.bound = std::max(branch.bound, lagrangian_.Improve(branch.ends, main.prices, kBranchIterations));
    if (branch.bound < enough && in_.has_budget) {
      branch.own = main.prices;
      branch.bound =
          std::max(branch.bound, lagrangian_.ImproveAll(branch.ends, branch.own, kBranchEvaluations, enough));
      table_.Compute(main.prices.mu);
    }
  }
  if (branch.bound >= enough) return;
  main.constant = lagrangian_.Constant(main.prices);
  main.of_block = main.prices.OfBlocks();
  main.paths = std::make_unique<NgPaths>(in_, lagrangian_.near());
  main.paths->Solve(table_, branch.ends, main.of_block);
  branch.arrival = std::make_unique<NgPaths>(in_, lagrangian_.near(), true);
  branch.arrival->Solve(table_, branch.ends, main.of_block);
  branch.completions.push_back(std::move(main));
  branches_.push_back(std::move(branch));
}

void BlockSearch::Prepare(double gap) {
  branches_.clear();
  table_.Compute(lagrangian_.prices().mu);
  if (!in_.has_ring) {
    AddBranch({in_.first, in_.last}, -1, gap);
  } else {
    for (int f = 0; f < in_.servers && !stop_(); ++f) {
      AddBranch(PathEnds::From(in_, f), f, gap);
    }
    if (stop_()) {  // not every branch was looked at
      bound_ = std::max(bound_, lagrangian_.bound());
      return;
    }
  }
  double least = incumbent_.cost;
  for (const Branch& branch : branches_) least = std::min(least, branch.bound);
  bound_ = std::max({bound_, lagrangian_.bound(), least == kNever ? 0 : least});
  bound_ = std::min(bound_, incumbent_.cost);
  if (incumbent_.cost != kNever) DropBlocks(incumbent_.cost * (1 - gap));
  const double mu = lagrangian_.prices().mu;
  if (in_.has_budget && mu > 0 && branches_.size() <= 4) extra_mu_ = {mu * 0.6, mu * 1.6};
  for (Branch& branch : branches_) AddCompletions(branch);
}

double BlockSearch::BlockLimit(int n, int a, int k, double cutoff) const {
  double limit = -kNever;
  for (const Branch& branch : branches_) {
    const Completion& main = branch.completions[0];
    const double before = branch.arrival->Completion(in_.units - a, n, 0);
    const double after = main.paths->Completion(a + k, n, 0);
    limit =
        std::max(limit, cutoff - (before + main.of_block[static_cast<size_t>(n)] + after - main.constant));
  }
  return limit;
}

void BlockSearch::DropBlocks(double cutoff) {
  for (int n = 0; n < in_.servers; ++n)
    for (int a = 0; a < in_.units; ++a)
      for (int k = 1; k <= in_.MaxLength(n, a); ++k)
        if (table_.Cost(n, a, k) != kNever &&
            table_.Cost(n, a, k) * (1 - kShave) >= BlockLimit(n, a, k, cutoff))
          table_.Drop(n, a, k);
}

const BlockSearch::Choices& BlockSearch::ChoicesOf(int n, int a, int k) {
  Choices& choices = choices_[(static_cast<size_t>(n) * in_.units + a) * (in_.units + 1) + k];
  if (choices.limit < 0) {
    choices.limit = BlockLimit(n, a, k, cutoff_);
    choices.list = EnumerateBlock(in_, table_.mu(), {n, a, k, choices.limit, choices_kept_});
  }
  return choices;
}

bool BlockSearch::Pass(size_t width, double cutoff, double gap, size_t choices) {
  if (branches_.empty()) {
    bound_ = std::max(bound_, incumbent_.cost == kNever ? kNever : incumbent_.cost * (1 - gap));
    return true;
  }
  width_ = width;
  choices_kept_ = choices;
  gap_ = gap;
  cutoff_ = std::min(cutoff, incumbent_.cost * (1 - gap));
  dropped_ = kNever;
  stopped_ = false;
  labels_held_ = 0;
  if (cutoff_ == incumbent_.cost * (1 - gap)) DropBlocks(cutoff_);
  choices_.assign(static_cast<size_t>(in_.servers) * in_.units * (in_.units + 1), {});
  layers_.assign(static_cast<size_t>(in_.units) + 1, {});
  Start();
  for (int l = 1; l < in_.units && !stopped_; ++l) {
    Reduce(layers_[static_cast<size_t>(l)]);
    Extend(l);
  }
  if (stopped_) return false;
  const double proven = std::min(dropped_, std::min(cutoff, incumbent_.cost * (1 - gap)));
  bound_ = std::max(bound_, std::min(proven, incumbent_.cost));
  return dropped_ >= std::min(cutoff, incumbent_.cost * (1 - gap));
}

void BlockSearch::Start() {
  for (size_t b = 0; b < branches_.size(); ++b) {
    Label root;
    root.branch = static_cast<int16_t>(b);
    for (int n = 0; n < in_.servers; ++n) ExtendTo(root, 0, -1, n);
  }
}

void BlockSearch::Extend(int l) {
  const auto& labels = layers_[static_cast<size_t>(l)];
  for (size_t i = 0; i < labels.size(); ++i) {
    if (i % kPollEvery == 0 && stop_()) {
      stopped_ = true;
      return;
    }
    if (labels[i].bound >= cutoff_) continue;
    for (int m = 0; m < in_.servers; ++m)
      if ((labels[i].visited >> m & 1) == 0) ExtendTo(labels[i], l, static_cast<int32_t>(i), m);
  }
}

void BlockSearch::ExtendTo(const Label& from, int l, int32_t index, int m) {
  const int length = in_.MaxLength(m, l);
  const int twin = in_.twin[static_cast<size_t>(m)];
  if (length == 0 || (twin >= 0 && (from.visited >> twin & 1) == 0)) return;
  const Branch& branch = branches_[static_cast<size_t>(from.branch)];
  const Completion& main = branch.completions[0];
  const int state = from.server < 0 ? 0 : lagrangian_.near().Next(from.server, from.state, m);
  if (state < 0) return;
  const double hop = from.server < 0 ? branch.ends.first[static_cast<size_t>(m)] : in_.Hop(from.server, m);
  if (hop == kNever) return;
  const double base = from.cost + table_.mu() * from.loss + from.price[0] + hop +
                      main.of_block[static_cast<size_t>(m)] - main.constant;
  for (int k = 1; k <= length; ++k) {
    const double block = table_.Cost(m, l, k);
    if (block == kNever) continue;
    const double bound = base + block + main.paths->Completion(l + k, m, state);
    if (bound - kShave * std::abs(bound) < cutoff_) AddPoints(from, l, index, m, k, state, hop, branch);
  }
}

void BlockSearch::AddPoints(const Label& from, int l, int32_t index, int m, int k, int state, double hop,
                            const Branch& branch) {
  const BlockChoices& choices = ChoicesOf(m, l, k).list;
  const int to = l + k;
  Label next = from;
  next.visited |= uint64_t{1} << m;
  next.server = static_cast<int16_t>(m);
  next.state = state;
  next.parent = index;
  next.parent_unit = l;
  for (size_t c = 0; c < branch.completions.size(); ++c)
    next.price[c] = from.price[c] + branch.completions[c].of_block[static_cast<size_t>(m)];
  const Completion& main = branch.completions[0];
  const double rest = main.paths->Completion(to, m, state) + next.price[0] - main.constant;
  const double start = from.cost + hop + table_.mu() * from.loss;
  for (size_t i = 0; i < choices.points.size(); ++i) {
    const BlockPoint& point = choices.points[i];
    const double bound = start + point.cost + table_.mu() * point.loss + rest;
    if (bound - kShave * std::abs(bound) >= cutoff_) break;  // points are sorted by this
    next.loss = from.loss + point.loss;
    if (next.loss + least_loss_[static_cast<size_t>(to)] > 1 + kLossTolerance) continue;
    next.cost = from.cost + hop + point.cost;
    next.bound = std::max(from.bound, bound);
    next.point = static_cast<int32_t>(i);
    if (to == in_.units) {
      Finish(next, l, k);
    } else if (BoundLabel(next, to, branch)) {
      layers_[static_cast<size_t>(to)].push_back(next);
      ++labels_made_;
    }
  }
  if (choices.rest != kNever) Lower(start + choices.rest + rest);
}

// Raises the label's bound by the other prices on loss; whether it may still be better than the cutoff.
bool BlockSearch::BoundLabel(Label& label, int l, const Branch& branch) const {
  for (size_t c = 1; c < branch.completions.size(); ++c) {
    const Completion& more = branch.completions[c];
    const double bound = label.cost + more.prices.mu * label.loss + label.price[c] +
                         more.paths->Completion(l, label.server, label.state) - more.constant;
    label.bound = std::max(label.bound, bound);
  }
  return label.bound - kShave * std::abs(label.bound) < cutoff_;
}

void BlockSearch::Finish(const Label& label, int, int) {
  const Branch& branch = branches_[static_cast<size_t>(label.branch)];
  const double cost = label.cost + branch.ends.last[static_cast<size_t>(label.server)];
  if (cost >= incumbent_.cost || __builtin_popcountll(label.visited) > in_.max_blocks) return;
  incumbent_.cost = cost;
  Trace(label);
  cutoff_ = std::min(cutoff_, incumbent_.cost * (1 - gap_));
}

void BlockSearch::Reduce(std::vector<Label>& labels) {
  const auto same = [](const Label& a, const Label& b) {
    return a.visited == b.visited && a.server == b.server && a.branch == b.branch;
  };
  std::sort(labels.begin(), labels.end(), [](const Label& a, const Label& b) {
    if (a.visited != b.visited) return a.visited < b.visited;
    if (a.server != b.server) return a.server < b.server;
    if (a.branch != b.branch) return a.branch < b.branch;
    if (a.cost != b.cost) return a.cost < b.cost;
    return a.loss < b.loss;
  });
  size_t kept = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i].bound >= cutoff_) continue;
    if (kept > 0 && same(labels[kept - 1], labels[i]) && labels[kept - 1].loss <= labels[i].loss) continue;
    if (__builtin_popcountll(labels[i].visited) >= in_.max_blocks)
      continue;  // units are left, servers are not
    labels[kept++] = labels[i];
  }
  labels.resize(kept);
  labels_held_ += static_cast<int64_t>(std::min(kept, width_));
  if (labels_held_ > kMostLabels) {
    out_of_memory_ = true;
    width_ = std::min<size_t>(width_, 1000);
  }
  if (labels.size() > width_) {
    std::nth_element(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(width_), labels.end(),
                     [](const Label& a, const Label& b) {
                       if (a.bound != b.bound) return a.bound < b.bound;
                       if (a.cost != b.cost) return a.cost < b.cost;
                       if (a.visited != b.visited) return a.visited < b.visited;
                       return a.server < b.server;
                     });
    for (size_t i = width_; i < labels.size(); ++i) Lower(labels[i].bound);
    labels.resize(width_);
    labels.shrink_to_fit();
  }
}

void BlockSearch::Trace(const Label& last) {
  incumbent_.server.assign(static_cast<size_t>(in_.units), 0);
  incumbent_.type.assign(static_cast<size_t>(in_.units), 0);
  Label label = last;
  int end = in_.units;
  while (label.server >= 0) {
    const int a = label.parent_unit, k = end - a, n = label.server;
    const Choices& choices = ChoicesOf(n, a, k);
    const std::vector<int> types = TypesOfChoice(in_, table_.mu(), {n, a, k, choices.limit, choices_kept_},
                                                 choices.list.points[static_cast<size_t>(label.point)]);
    for (int i = 0; i < k; ++i) {
      incumbent_.server[static_cast<size_t>(a + i)] = n;
      incumbent_.type[static_cast<size_t>(a + i)] = types[static_cast<size_t>(i)];
    }
    end = a;
    if (label.parent < 0) break;
    label = layers_[static_cast<size_t>(a)][static_cast<size_t>(label.parent)];
  }
}

}  // namespace dilemma
