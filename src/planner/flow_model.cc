#include "planner/flow_model.h"

#include <algorithm>
#include <cmath>

namespace dilemma {
namespace {

constexpr double kTypicalObjective = 1000;

// The cheapest possible placement of every unit: the order of magnitude of the objective.
double CheapestSum(const Problem& p) {
  double sum = 0;
  for (int u = 0; u < p.units; ++u) {
    double best = kNever;
    for (int n = 0; n < p.servers; ++n)
      for (int q = 0; q < p.types; ++q)
        if (p.Possible(u, n, q)) best = std::min(best, p.Cost(u, n, q));
    if (std::isfinite(best)) sum += best;
  }
  for (const double hop : p.hop.request_s) sum += hop / static_cast<double>(p.hop.size());
  return sum;
}

}  // namespace

FlowModel::FlowModel(const Problem& problem, double margin) : problem_(problem) {
  const double typical = CheapestSum(problem);
  scale_ = typical > 0 ? kTypicalObjective / typical : 1;
  AddPlacements();
  if (!complete_) return;
  AddFlow();
  if (latency() && problem_.HasRing()) AddRing();
  AddLimits(margin);
  if (problem_.max_servers > 0) AddServerCount();
  if (!latency()) AddBusiest();
}

FlowModel::Row FlowModel::Placed(int u, int n, double value) const {
  Row row;
  for (int q = 0; q < problem_.types; ++q)
    if (const int column = x_[problem_.At(u, n, q)]; column >= 0) row.emplace_back(column, value);
  return row;
}

FlowModel::Row FlowModel::Starts(int n, double value) const {
  Row row = Placed(0, n, value);
  for (int u = 0; u + 1 < problem_.units; ++u)
    for (int m = 0; m < problem_.servers; ++m)
      if (m != n)
        row.emplace_back(y_[(static_cast<size_t>(u) * problem_.servers + m) * problem_.servers + n], value);
  return row;
}

void FlowModel::AddPlacements() {
  const Problem& p = problem_;
  x_.assign(p.compute.size(), -1);
  for (int u = 0; u < p.units; ++u) {
    Row once;
    for (int n = 0; n < p.servers; ++n) {
      for (int q = 0; q < p.types; ++q) {
        if (!p.Possible(u, n, q)) continue;
        double cost = p.move_s.empty() ? 0 : p.move_s[p.At(u, n, q)];
        if (latency()) {
          cost = p.Cost(u, n, q);
          if (u == 0) cost += p.FirstCost(n);
          if (u == p.units - 1) cost += p.LastCost(n);
        }
        x_[p.At(u, n, q)] = model_.AddColumn(cost * scale_, 0, 1, true);
        once.emplace_back(x_[p.At(u, n, q)], 1.0);
      }
    }
    complete_ = complete_ && !once.empty();
    model_.AddRow(1, 1, once);
  }
}

void FlowModel::AddFlow() {
  const Problem& p = problem_;
  for (int u = 0; u + 1 < p.units; ++u)
    for (int n = 0; n < p.servers; ++n)
      for (int m = 0; m < p.servers; ++m)
        y_.push_back(model_.AddColumn(n == m || !latency() ? 0 : p.EnterCost(n, m) * scale_, 0, 1, false));
  const auto y = [&](int u, int n, int m) {
    return y_[(static_cast<size_t>(u) * p.servers + n) * p.servers + m];
  };
  for (int u = 0; u + 1 < p.units; ++u) {
    for (int n = 0; n < p.servers; ++n) {
      Row out = Placed(u, n, -1.0), in = Placed(u + 1, n, -1.0);
      for (int m = 0; m < p.servers; ++m) {
        out.emplace_back(y(u, n, m), 1.0);
        in.emplace_back(y(u, m, n), 1.0);
      }
      model_.AddRow(0, 0, out);
      model_.AddRow(0, 0, in);
    }
  }
}

void FlowModel::AddRing() {
  const Problem& p = problem_;
  for (int n = 0; n < p.servers; ++n)
    for (int m = 0; m < p.servers; ++m)
      r_.push_back(model_.AddColumn(p.RingCost(n, m) * scale_, 0, 1, false));
  for (int n = 0; n < p.servers; ++n) {
    Row out = Placed(p.units - 1, n, -1.0), in = Placed(0, n, -1.0);
    for (int m = 0; m < p.servers; ++m) {
      out.emplace_back(r_[p.Nm(n, m)], 1.0);
      in.emplace_back(r_[p.Nm(m, n)], 1.0);
    }
    model_.AddRow(0, 0, out);
    model_.AddRow(0, 0, in);
  }
}

FlowModel::Row FlowModel::Use(int n, const std::vector<double>& of_unit, double of_stage) const {
  Row row;
  for (int u = 0; u < problem_.units; ++u)
    for (int q = 0; q < problem_.types; ++q)
      if (const int column = x_[problem_.At(u, n, q)]; column >= 0)
        row.emplace_back(column, of_unit[problem_.Uq(u, q)]);
  if (of_stage > 0) Append(row, Starts(n, of_stage));
  return row;
}

void FlowModel::AddServerLimit(int n, double limit, double margin, const std::vector<double>& of_unit,
                               double of_stage) {
  if (std::isinf(limit)) return;
  const double unit = limit > 0 ? 1 / limit : 1;
  Row row = Use(n, of_unit, of_stage);
  for (auto& [column, value] : row) value *= unit;
  model_.AddRow(-kNever, limit * unit * (1 - margin), row);
}

void FlowModel::AddLimits(double margin) {
  const Problem& p = problem_;
  std::vector<double> of_unit(p.weight_bytes.size());
  for (int n = 0; n < p.servers; ++n) {
    const auto i = static_cast<size_t>(n);
    for (int u = 0; u < p.units; ++u)
      for (int q = 0; q < p.types; ++q) of_unit[p.Uq(u, q)] = static_cast<double>(p.Bytes(u, n, q));
    AddServerLimit(n, static_cast<double>(p.memory_bytes[i]), margin, of_unit,
                   static_cast<double>(p.stage_bytes[i]));
    if (p.disk_bytes[i] != kNoLimit) {
      std::copy(p.weight_bytes.begin(), p.weight_bytes.end(), of_unit.begin());
      AddServerLimit(n, static_cast<double>(p.disk_bytes[i]), margin, of_unit, 0);
    }
    for (int u = 0; u < p.units; ++u)
      for (int q = 0; q < p.types; ++q) of_unit[p.Uq(u, q)] = p.compute.decode_s[p.At(u, n, q)];
    AddServerLimit(n, p.busy_limit_s[i], margin, of_unit, p.stage.decode_s[i]);
    if (p.one_block_per_server) model_.AddRow(-kNever, 1, Starts(n, 1.0));
  }
  AddBudget(p.loss_budget, margin, p.loss);
  if (p.size_budget == kNoLimit) return;
  std::copy(p.weight_bytes.begin(), p.weight_bytes.end(), of_unit.begin());
  AddBudget(static_cast<double>(p.size_budget), margin, of_unit);
}

void FlowModel::AddBudget(double budget, double margin, const std::vector<double>& of_unit) {
  if (std::isinf(budget)) return;
  const double scale = budget > 0 ? 1 / budget : 1;
  Row row;
  for (int u = 0; u < problem_.units; ++u)
    for (int n = 0; n < problem_.servers; ++n)
      for (int q = 0; q < problem_.types; ++q)
        if (const int column = x_[problem_.At(u, n, q)]; column >= 0)
          row.emplace_back(column, of_unit[problem_.Uq(u, q)] * scale);
  model_.AddRow(-kNever, budget * scale * (1 - margin), row);
}

void FlowModel::AddServerCount() {
  Row sum;
  for (int n = 0; n < problem_.servers; ++n) {
    z_.push_back(model_.AddColumn(0, 0, 1, false));
    sum.emplace_back(z_.back(), 1.0);
    for (int u = 0; u < problem_.units; ++u) {
      Row row = Placed(u, n, 1.0);
      row.emplace_back(z_.back(), -1.0);
      model_.AddRow(-kNever, 0, row);
    }
  }
  model_.AddRow(-kNever, problem_.max_servers, sum);
}

void FlowModel::AddBusiest() {
  const Problem& p = problem_;
  t_ = model_.AddColumn(1, 0, kNever, false);
  for (int n = 0; n < p.servers; ++n) {
    Row row = Starts(n, p.stage.request_s[static_cast<size_t>(n)] * scale_);
    for (int u = 0; u < p.units; ++u)
      for (int q = 0; q < p.types; ++q)
        if (const int column = x_[p.At(u, n, q)]; column >= 0)
          row.emplace_back(column, p.compute.request_s[p.At(u, n, q)] * scale_);
    row.emplace_back(t_, -1.0);
    model_.AddRow(-kNever, 0, row);
  }
  for (int n = 0; n < p.servers; ++n) {
    for (int m = 0; m < p.servers; ++m) {
      const double busy = p.link_busy.request_s[p.Nm(n, m)];
      if (n == m || busy <= 0) continue;
      Row row = {{t_, -1.0}};
      for (int u = 0; u + 1 < p.units; ++u)
        row.emplace_back(y_[(static_cast<size_t>(u) * p.servers + n) * p.servers + m], busy * scale_);
      model_.AddRow(-kNever, 0, row);
    }
  }
}

std::optional<Assignment> FlowModel::Decode(const std::vector<double>& values) const {
  Assignment assignment(static_cast<size_t>(problem_.units));
  for (int u = 0; u < problem_.units; ++u) {
    for (int n = 0; n < problem_.servers; ++n)
      for (int q = 0; q < problem_.types; ++q)
        if (const int column = x_[problem_.At(u, n, q)];
            column >= 0 && values[static_cast<size_t>(column)] > 0.5)
          assignment[static_cast<size_t>(u)] = {n, q};
    if (assignment[static_cast<size_t>(u)].server < 0) return std::nullopt;
  }
  return assignment;
}

std::vector<double> FlowModel::Encode(const Assignment& a) const {
  const Problem& p = problem_;
  std::vector<double> values(static_cast<size_t>(model_.columns()), 0.0);
  const auto set = [&](int column) { values[static_cast<size_t>(column)] = 1; };
  std::vector<double> busy(static_cast<size_t>(p.servers), 0.0), link(p.hop.size(), 0.0);
  for (int u = 0; u < p.units; ++u) {
    const auto [n, q] = a[static_cast<size_t>(u)];
    const int before = u > 0 ? a[static_cast<size_t>(u) - 1].server : -1;
    set(x_[p.At(u, n, q)]);
    if (u > 0) set(y_[(static_cast<size_t>(u - 1) * p.servers + before) * p.servers + n]);
    if (!z_.empty()) set(z_[static_cast<size_t>(n)]);
    busy[static_cast<size_t>(n)] += p.compute.request_s[p.At(u, n, q)];
    if (before != n) busy[static_cast<size_t>(n)] += p.stage.request_s[static_cast<size_t>(n)];
    if (u > 0 && before != n) link[p.Nm(before, n)] += p.link_busy.request_s[p.Nm(before, n)];
  }
  if (!r_.empty()) set(r_[p.Nm(a.back().server, a.front().server)]);
  if (t_ >= 0)
    values[static_cast<size_t>(t_)] = scale_ * std::max(*std::max_element(busy.begin(), busy.end()),
                                                        *std::max_element(link.begin(), link.end()));
  return values;
}

}  // namespace dilemma
