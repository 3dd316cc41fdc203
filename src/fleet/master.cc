#include "fleet/master.h"

#include <algorithm>
#include <cmath>

#include "planner/highs_linear.h"

namespace dilemma {
namespace {

constexpr double kMargin = 2e-9;  // rows of the integer program, for the solver's tolerance

}  // namespace

void Master::Add(int model, Placed placed) {
  std::vector<Placed>& columns = columns_[static_cast<size_t>(model)];
  for (const Placed& known : columns)
    if (known.assignment == placed.assignment) return;
  columns.push_back(std::move(placed));
}

Master::Rows Master::Build(bool integer, double penalty, const Keep& keep) const {
  Rows rows;
  const auto N = static_cast<size_t>(fleet_.servers());
  std::vector<std::vector<std::pair<int, double>>> memory(N), disk(N), busy(N);
  for (size_t k = 0; k < columns_.size(); ++k) {
    rows.first.push_back(rows.model.columns());
    std::vector<std::pair<int, double>> once;
    for (const Placed& placed : columns_[k]) {
      const bool kept = !keep || keep(static_cast<int>(k), placed);
      const int c = rows.model.AddColumn(placed.cost, 0, kept ? 1 : 0, integer);
      once.emplace_back(c, 1.0);
      for (size_t n = 0; n < N; ++n) {
        const ServerUse& use = placed.use[n];
        if (use.stages == 0) continue;
        const auto share = [](double value, double limit) {
          return limit > 0 ? value / limit : value > 0 ? 2.0 : 0;
        };
        memory[n].emplace_back(
            c, share(static_cast<double>(use.memory_bytes), static_cast<double>(fleet_.memory_bytes[n])));
        if (fleet_.disk_bytes[n] != kNoLimit)
          disk[n].emplace_back(
              c, share(static_cast<double>(use.disk_bytes), static_cast<double>(fleet_.disk_bytes[n])));
        if (std::isfinite(fleet_.busy_limit_s[n]))
          busy[n].emplace_back(c, share(use.busy_s, fleet_.busy_limit_s[n]));
      }
    }
    rows.model.AddRow(1, 1, once);
  }
  const auto add = [&](std::vector<std::pair<int, double>> row) {
    if (row.size() < 2) return -1;
    if (!integer) row.emplace_back(rows.model.AddColumn(penalty, 0, kNever, false), -1.0);
    rows.model.AddRow(-kNever, integer ? 1 - kMargin : 1, std::move(row));
    return rows.model.rows() - 1;
  };
  for (size_t n = 0; n < N; ++n) {
    rows.memory.push_back(add(std::move(memory[n])));
    rows.disk.push_back(add(std::move(disk[n])));
    rows.busy.push_back(add(std::move(busy[n])));
  }
  return rows;
}

Master::Relaxation Master::Relax(double penalty, const Keep& keep) const {
  const Rows rows = Build(false, penalty, keep);
  const LinearResult solved = SolveLinear(rows.model, {});
  Relaxation result;
  if (solved.row_dual.empty()) return result;
  result.solved = true;
  result.value = solved.bound;
  for (size_t k = 0; k < columns_.size(); ++k) {
    const auto begin = solved.values.begin() + rows.first[k];
    result.weight.emplace_back(begin, begin + static_cast<ptrdiff_t>(columns_[k].size()));
  }
  const auto N = static_cast<size_t>(fleet_.servers());
  const auto read = [&](const std::vector<int>& row, auto limit, std::vector<double>& price) {
    price.assign(N, 0.0);
    for (size_t n = 0; n < N; ++n)
      if (const double of = limit(n); row[n] >= 0 && of > 0)
        price[n] = std::max(0.0, -solved.row_dual[static_cast<size_t>(row[n])] / of);
  };
  read(
      rows.memory, [&](size_t n) { return static_cast<double>(fleet_.memory_bytes[n]); },
      result.prices.memory);
  read(
      rows.disk, [&](size_t n) { return static_cast<double>(fleet_.disk_bytes[n]); }, result.prices.disk);
  read(
      rows.busy, [&](size_t n) { return fleet_.busy_limit_s[n]; }, result.prices.busy);
  return result;
}

JointAssignment Master::Choose(double time_limit_s, const JointAssignment& start,
                               const std::function<bool()>& stop, const Keep& keep) const {
  const Rows rows = Build(true, 0, keep);
  LinearOptions options;
  options.time_limit_s = time_limit_s;
  options.stop = stop;
  if (!start.empty()) {
    options.start.assign(static_cast<size_t>(rows.model.columns()), 0.0);
    for (size_t k = 0; k < columns_.size(); ++k)
      for (size_t c = 0; c < columns_[k].size(); ++c)
        if (columns_[k][c].assignment == start[k]) options.start[static_cast<size_t>(rows.first[k]) + c] = 1;
  }
  const LinearResult solved = SolveLinear(rows.model, options);
  JointAssignment plan;
  if (solved.values.empty()) return plan;
  for (size_t k = 0; k < columns_.size(); ++k)
    for (size_t c = 0; c < columns_[k].size(); ++c)
      if (solved.values[static_cast<size_t>(rows.first[k]) + c] > 0.5)
        plan.push_back(columns_[k][c].assignment);
  if (plan.size() != columns_.size()) plan.clear();
  return plan;
}

}  // namespace dilemma
