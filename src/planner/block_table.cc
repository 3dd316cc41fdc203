#include "planner/block_table.h"

#include <algorithm>
#include <numeric>

#include "planner/min_plus.h"

namespace dilemma {

BlockTable::BlockTable(const BlockInstance& instance) : in_(instance), cells_(instance) {
  size_t size = 0;
  for (int n = 0; n < in_.servers; ++n) {
    row_.push_back(size);
    size += RowSize(n) * static_cast<size_t>(in_.units);
  }
  cost_.assign(size, 0.0);
  alive_.assign(size, 1);
  slack_cells_.assign(size, 0);
  for (int n = 0; n < in_.servers; ++n) {
    for (int a = 0; a < in_.units; ++a) {
      reach_.push_back(in_.MaxLength(n, a));
      alive_count_ += in_.MaxLength(n, a);
      for (int k = 1; k <= in_.MaxLength(n, a); ++k)
        slack_cells_[RowStart(n, a) + static_cast<size_t>(k)] = in_.SlackCells(n, a, a + k);
    }
  }
}

void BlockTable::Compute(double mu) {
  mu_ = mu;
  cells_.Price({mu, {}});
  for (int n = 0; n < in_.servers; ++n)
    for (int a = 0; a < in_.units; ++a) ComputeRow(n, a);
}

void BlockTable::Drop(int n, int a, int k) {
  const size_t row = RowStart(n, a);
  if (!alive_[row + static_cast<size_t>(k)]) return;
  alive_[row + static_cast<size_t>(k)] = 0;
  cost_[row + static_cast<size_t>(k)] = kNever;
  --alive_count_;
  int& reach = reach_[static_cast<size_t>(n) * in_.units + a];
  while (reach > 0 && !alive_[row + static_cast<size_t>(reach)]) --reach;
}

void BlockTable::ComputeRow(int n, int a) {
  const int length = reach_[static_cast<size_t>(n) * in_.units + a];
  if (length == 0) return;
  const size_t start = RowStart(n, a);
  const double grain = cells_.Grain(n);
  cells_.Start(slack_cells_[start + 1]);
  for (int k = 1; k <= length; ++k) {
    const int cells = slack_cells_[start + static_cast<size_t>(k)];
    cells_.Add(a + k - 1, n, cells);
    const bool alive = alive_[start + static_cast<size_t>(k)] != 0;
    cost_[start + static_cast<size_t>(k)] = alive ? grain * cells_.Sum(cells) : kNever;
  }
}

namespace {

struct Partial {
  double cost = 0, loss = 0, busy = 0;
  int64_t used = 0;  // excess bytes
  double bound = 0;  // priced cost of the best completion
  int parent = -1;
  int item = -1;
};

// Label setting over the units of one block.
class Enumerator {
 public:
  Enumerator(const BlockInstance& in, double mu, const BlockQuery& query)
      : in_(in),
        query_(query),
        n_(query.server),
        a_(query.first),
        k_(query.length),
        mu_(mu),
        slack_(in.Slack(n_, a_, a_ + k_)),
        limit_(query.limit) {
    ComputeRest();
  }

  BlockChoices Run() {
    layers_.assign(static_cast<size_t>(k_) + 1, {});
    layers_[0].push_back({});
    for (int i = 0; i < k_; ++i) Extend(i);
    BlockChoices out;
    for (const Partial& p : layers_.back()) out.points.push_back({p.cost, p.loss});
    out.rest = rest_;
    return out;
  }

  std::vector<int> Trace(const BlockPoint& point) const {
    const auto& end = layers_.back();
    size_t best = 0;
    for (size_t i = 0; i < end.size(); ++i)
      if (end[i].cost == point.cost && end[i].loss == point.loss) best = i;
    std::vector<int> types(static_cast<size_t>(k_));
    const Partial* p = &end[best];
    for (int i = k_ - 1; i >= 0; --i) {
      types[static_cast<size_t>(i)] = in_.Items(a_ + i, n_)[static_cast<size_t>(p->item)].type;
      p = &layers_[static_cast<size_t>(i)][static_cast<size_t>(p->parent)];
    }
    return types;
  }

 private:
  // completion_[i][c]: least priced cost of units a+i .. a+k-1 within c cells.
  void ComputeRest() {
    const int cells = in_.SlackCells(n_, a_, a_ + k_) + 1;
    completion_.assign(static_cast<size_t>(k_) + 1, std::vector<double>(static_cast<size_t>(cells), 0.0));
    for (int i = k_ - 1; i >= 0; --i) {
      auto& row = completion_[static_cast<size_t>(i)];
      std::fill(row.begin(), row.end(), kNever);
      for (const Item& item : in_.Items(a_ + i, n_))
        RelaxShifted(completion_[static_cast<size_t>(i) + 1].data(), row.data(), item.cells, cells,
                     item.cost + mu_ * item.loss);
    }
  }

  void Extend(int i) {
    const auto& from = layers_[static_cast<size_t>(i)];
    auto& to = layers_[static_cast<size_t>(i) + 1];
    const auto& items = in_.Items(a_ + i, n_);
    const auto& completion = completion_[static_cast<size_t>(i) + 1];
    const int64_t cell = in_.cell[static_cast<size_t>(n_)];
    for (size_t f = 0; f < from.size(); ++f) {
      for (size_t t = 0; t < items.size(); ++t) {
        Partial next = from[f];
        next.used += items[t].excess;
        next.busy += items[t].busy;
        if (next.used > slack_ || next.busy > in_.busy_limit[static_cast<size_t>(n_)]) continue;
        next.cost += items[t].cost;
        next.loss += items[t].loss;
        next.bound =
            next.cost + mu_ * next.loss + completion[static_cast<size_t>((slack_ - next.used) / cell)];
        if (next.bound >= limit_) continue;
        next.parent = static_cast<int>(f);
        next.item = static_cast<int>(t);
        to.push_back(next);
      }
    }
    DropDominated(to, i + 1 == k_);
    Truncate(to);
  }

  // Sorted by cost, a partial choice is beaten by an earlier one that loses no more and takes no more room.
  void DropDominated(std::vector<Partial>& list, bool finished) const {
    if (finished)
      for (Partial& p : list) p.used = 0, p.busy = 0;
    std::sort(list.begin(), list.end(), [](const Partial& a, const Partial& b) {
      if (a.cost != b.cost) return a.cost < b.cost;
      if (a.loss != b.loss) return a.loss < b.loss;
      if (a.used != b.used) return a.used < b.used;
      return a.busy < b.busy;
    });
    size_t kept = 0;
    for (size_t i = 0; i < list.size(); ++i) {
      bool beaten = finished && kept > 0 && list[kept - 1].loss <= list[i].loss;
      for (size_t j = kept; !finished && j-- > 0 && !beaten;)
        beaten = list[j].loss <= list[i].loss && list[j].used <= list[i].used && list[j].busy <= list[i].busy;
      if (!beaten) list[kept++] = list[i];
    }
    list.resize(kept);
    std::sort(list.begin(), list.end(), [](const Partial& a, const Partial& b) {
      return a.bound != b.bound ? a.bound < b.bound : a.cost < b.cost;
    });
  }

  void Truncate(std::vector<Partial>& list) {
    if (list.size() <= query_.most) return;
    rest_ = std::min(rest_, list[query_.most].bound);
    list.resize(query_.most);
  }

  const BlockInstance& in_;
  const BlockQuery query_;
  const int n_, a_, k_;
  const double mu_;
  const int64_t slack_;
  const double limit_;
  double rest_ = kNever;
  std::vector<std::vector<double>> completion_;
  std::vector<std::vector<Partial>> layers_;
};

}  // namespace

BlockChoices EnumerateBlock(const BlockInstance& in, double mu, const BlockQuery& query) {
  return Enumerator(in, mu, query).Run();
}

std::vector<int> TypesOfChoice(const BlockInstance& in, double mu, const BlockQuery& query,
                               const BlockPoint& point) {
  Enumerator enumerator(in, mu, query);
  enumerator.Run();
  return enumerator.Trace(point);
}

}  // namespace dilemma
