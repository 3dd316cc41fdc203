#include "planner/block_beam.h"

#include <algorithm>

namespace dilemma {
namespace {

struct Label {
  double cost = 0, bound = 0;
  uint64_t visited = 0;
  int32_t parent = -1, parent_unit = 0, state = 0;
  int16_t server = -1, first = -1;
};

bool Better(const Label& a, const Label& b) {
  if (a.bound != b.bound) return a.bound < b.bound;
  if (a.cost != b.cost) return a.cost < b.cost;
  return a.visited != b.visited ? a.visited < b.visited : a.server < b.server;
}

class Beam {
 public:
  Beam(const BlockInstance& in, const BlockTable& table, const PathEnds& ends,
       const std::vector<double>& price, const Neighbourhoods& near, const NgPaths& completion,
       const BeamQuery& query)
      : in_(in),
        table_(table),
        ends_(ends),
        price_(price),
        near_(near),
        completion_(completion),
        query_(query) {}

  std::vector<std::vector<Block>> Run() {
    layers_.assign(static_cast<size_t>(in_.units) + 1, {});
    for (int n = 0; n < in_.servers; ++n)
      if (ends_.first[static_cast<size_t>(n)] != kNever) Extend({}, -1, 0, n);
    for (int l = 1; l < in_.units; ++l) {
      Reduce(layers_[static_cast<size_t>(l)], query_.width);
      for (size_t i = 0; i < layers_[static_cast<size_t>(l)].size(); ++i) {
        const Label from = layers_[static_cast<size_t>(l)][i];
        if (__builtin_popcountll(from.visited) >= in_.max_blocks) continue;
        for (int m = 0; m < in_.servers; ++m)
          if ((from.visited >> m & 1) == 0) Extend(from, static_cast<int32_t>(i), l, m);
      }
    }
    std::vector<Label>& finished = layers_.back();
    Reduce(finished, query_.most);
    std::vector<std::vector<Block>> paths;
    for (const Label& label : finished) paths.push_back(Trace(label));
    return paths;
  }

 private:
  void Extend(const Label& from, int32_t index, int l, int m) {
    const auto i = static_cast<size_t>(m);
    const int state = from.server < 0 ? 0 : near_.Next(from.server, from.state, m);
    if (state < 0) return;
    const double hop = from.server < 0 ? ends_.first[i] : in_.Hop(from.server, m);
    Label next = from;
    next.visited |= uint64_t{1} << m;
    next.server = static_cast<int16_t>(m);
    if (from.server < 0) next.first = next.server;
    next.state = state;
    next.parent = index;
    next.parent_unit = l;
    const double* row = table_.Row(m, l);
    for (int k = 1; k <= in_.MaxLength(m, l); ++k) {
      if (row[k] == kNever) continue;
      next.cost = from.cost + hop + price_[i] + row[k];
      next.bound = next.cost + completion_.Completion(l + k, m, state);
      if (next.bound >= query_.cutoff) continue;
      if (l + k == in_.units) next.bound = next.cost + in_.last[i] + in_.Ring(m, next.first);
      layers_[static_cast<size_t>(l + k)].push_back(next);
    }
  }

  // The best labels, one for the same servers and last server.
  void Reduce(std::vector<Label>& labels, size_t most) const {
    const size_t enough = std::min(labels.size(), 4 * most);
    std::partial_sort(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(enough), labels.end(),
                      Better);
    labels.resize(enough);
    std::vector<Label> kept;
    for (const Label& label : labels) {
      if (kept.size() >= most) break;
      const auto same = [&](const Label& other) {
        return other.visited == label.visited && other.server == label.server && other.first == label.first;
      };
      if (std::none_of(kept.begin(), kept.end(), same)) kept.push_back(label);
    }
    labels = std::move(kept);
  }

  std::vector<Block> Trace(Label label) const {
    std::vector<Block> path;
    for (int end = in_.units;; label = layers_[static_cast<size_t>(end)][static_cast<size_t>(label.parent)]) {
      path.push_back({label.server, label.parent_unit, end - label.parent_unit});
      end = label.parent_unit;
      if (label.parent < 0) break;
    }
    std::reverse(path.begin(), path.end());
    return path;
  }

  const BlockInstance& in_;
  const BlockTable& table_;
  const PathEnds& ends_;
  const std::vector<double>& price_;
  const Neighbourhoods& near_;
  const NgPaths& completion_;
  const BeamQuery& query_;
  std::vector<std::vector<Label>> layers_;
};

}  // namespace

std::vector<std::vector<Block>> BeamPaths(const BlockInstance& in, const BlockTable& table,
                                          const PathEnds& ends, const std::vector<double>& price,
                                          const Neighbourhoods& near, const NgPaths& completion,
                                          const BeamQuery& query) {
  return Beam(in, table, ends, price, near, completion, query).Run();
}

}  // namespace dilemma
