#include "comparison/product_model.h"

#include <algorithm>
#include <cmath>

namespace dilemma {
namespace {

constexpr double kTypicalObjective = 1000;

double CheapestSum(const Problem& p) {
  double sum = 0;
  for (int u = 0; u < p.units; ++u) {
    double best = kNever;
    for (int n = 0; n < p.servers; ++n)
      for (int q = 0; q < p.types; ++q)
        if (p.Possible(u, n, q)) best = std::min(best, p.Cost(u, n, q));
    if (std::isfinite(best)) sum += best;
  }
  return sum;
}

}  // namespace

ProductModel::ProductModel(const Problem& problem) : problem_(problem) {
  const double typical = CheapestSum(problem);
  scale_ = typical > 0 ? kTypicalObjective / typical : 1;
  AddPlacements();
  if (!complete_) return;
  AddProducts();
  AddServerLimits();
  if (problem_.max_servers > 0) AddServerCount();
  if (std::isinf(problem_.loss_budget)) return;
  const double unit = problem_.loss_budget > 0 ? 1 / problem_.loss_budget : 1;
  Row row;
  for (int u = 0; u < problem_.units; ++u)
    for (int n = 0; n < problem_.servers; ++n)
      for (int q = 0; q < problem_.types; ++q)
        if (const int column = x_[problem_.At(u, n, q)]; column >= 0)
          row.emplace_back(column, problem_.loss[problem_.Uq(u, q)] * unit);
  model_.AddRow(-kNever, problem_.loss_budget * unit, row);
}

ProductModel::Row ProductModel::Placed(int u, int n, double value) const {
  Row row;
  for (int q = 0; q < problem_.types; ++q)
    if (const int column = x_[problem_.At(u, n, q)]; column >= 0) row.emplace_back(column, value);
  return row;
}

ProductModel::Row ProductModel::Starts(int n, double value) const {
  Row row = Placed(0, n, value);
  for (int u = 0; u + 1 < problem_.units; ++u)
    for (int m = 0; m < problem_.servers; ++m)
      if (m != n)
        row.emplace_back(w_[(static_cast<size_t>(u) * problem_.servers + m) * problem_.servers + n], value);
  return row;
}

void ProductModel::AddPlacements() {
  const Problem& p = problem_;
  x_.assign(p.compute.size(), -1);
  for (int u = 0; u < p.units; ++u) {
    Row once;
    for (int n = 0; n < p.servers; ++n) {
      for (int q = 0; q < p.types; ++q) {
        if (!p.Possible(u, n, q)) continue;
        double cost = p.Cost(u, n, q);
        if (u == 0) cost += p.FirstCost(n);
        if (u == p.units - 1) cost += p.LastCost(n);
        x_[p.At(u, n, q)] = model_.AddColumn(cost * scale_, 0, 1, true);
        once.emplace_back(x_[p.At(u, n, q)], 1.0);
      }
    }
    complete_ = complete_ && !once.empty();
    model_.AddRow(1, 1, once);
  }
}

int ProductModel::AddProduct(int u, int n, int v, int m, double cost) {
  const int column = model_.AddColumn(cost * scale_, 0, 1, false);
  Row row = Placed(u, n, -1.0), other = Placed(v, m, -1.0);
  row.insert(row.end(), other.begin(), other.end());
  row.emplace_back(column, 1.0);
  model_.AddRow(-1, kNever, row);
  return column;
}

void ProductModel::AddProducts() {
  const Problem& p = problem_;
  for (int u = 0; u + 1 < p.units; ++u)
    for (int n = 0; n < p.servers; ++n)
      for (int m = 0; m < p.servers; ++m)
        w_.push_back(n == m ? -1 : AddProduct(u, n, u + 1, m, p.EnterCost(n, m)));
  if (!p.HasRing()) return;
  for (int n = 0; n < p.servers; ++n)
    for (int m = 0; m < p.servers; ++m)
      if (n != m) AddProduct(p.units - 1, n, 0, m, p.RingCost(n, m));
}

void ProductModel::AddServerLimits() {
  const Problem& p = problem_;
  for (int n = 0; n < p.servers; ++n) {
    const auto i = static_cast<size_t>(n);
    const auto limit = [&](double most, double of_stage, auto of_unit) {
      const double unit = most > 0 ? 1 / most : 1;
      Row row = of_stage > 0 ? Starts(n, of_stage * unit) : Row();
      for (int u = 0; u < p.units; ++u)
        for (int q = 0; q < p.types; ++q)
          if (const int column = x_[p.At(u, n, q)]; column >= 0)
            row.emplace_back(column, of_unit(u, q) * unit);
      model_.AddRow(-kNever, most * unit, row);
    };
    limit(static_cast<double>(p.memory_bytes[i]), static_cast<double>(p.stage_bytes[i]),
          [&](int u, int q) { return static_cast<double>(p.Bytes(u, n, q)); });
    if (p.disk_bytes[i] != kNoLimit)
      limit(static_cast<double>(p.disk_bytes[i]), 0,
            [&](int u, int q) { return static_cast<double>(p.weight_bytes[p.Uq(u, q)]); });
    if (!std::isinf(p.busy_limit_s[i]))
      limit(p.busy_limit_s[i], p.stage.decode_s[i],
            [&](int u, int q) { return p.compute.decode_s[p.At(u, n, q)]; });
    if (p.one_block_per_server) model_.AddRow(-kNever, 1, Starts(n, 1));
  }
}

void ProductModel::AddServerCount() {
  const Problem& p = problem_;
  Row count;
  for (int n = 0; n < p.servers; ++n) {
    const int used = model_.AddColumn(0, 0, 1, true);
    count.emplace_back(used, 1.0);
    for (int u = 0; u < p.units; ++u) {
      Row row = Placed(u, n, 1.0);
      row.emplace_back(used, -1.0);
      model_.AddRow(-kNever, 0, row);
    }
  }
  model_.AddRow(-kNever, p.max_servers, count);
}

std::optional<Assignment> ProductModel::Decode(const double* values) const {
  Assignment assignment;
  for (int u = 0; u < problem_.units; ++u) {
    Placement placement;
    for (int n = 0; n < problem_.servers; ++n)
      for (int q = 0; q < problem_.types; ++q)
        if (const int column = x_[problem_.At(u, n, q)]; column >= 0 && values[column] > 0.5)
          placement = {n, q};
    if (placement.server < 0) return std::nullopt;
    assignment.push_back(placement);
  }
  return assignment;
}

}  // namespace dilemma
