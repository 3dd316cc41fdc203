#include "planner/problem.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"

namespace dilemma {
namespace {

absl::Status CheckSize(std::string_view name, size_t size, size_t want) {
  if (size == want) return absl::OkStatus();
  return InvalidArgument("problem: {} has {} entries instead of {}", name, size, want);
}

absl::Status CheckNumbers(std::string_view name, const std::vector<double>& values, bool may_be_infinite) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i]) || values[i] < 0 || (!may_be_infinite && std::isinf(values[i])))
      return InvalidArgument("problem: {}[{}] is {}, not a number from 0", name, i, values[i]);
  }
  return absl::OkStatus();
}

absl::Status CheckTimes(std::string_view name, const Times& times, size_t want,
                        bool may_be_infinite = false) {
  for (const auto* part : {&times.prefill_s, &times.decode_s, &times.request_s}) {
    RETURN_IF_ERROR(CheckSize(name, part->size(), want));
    RETURN_IF_ERROR(CheckNumbers(name, *part, may_be_infinite));
  }
  return absl::OkStatus();
}

absl::Status CheckBytes(std::string_view name, const std::vector<int64_t>& values, size_t want) {
  RETURN_IF_ERROR(CheckSize(name, values.size(), want));
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 0) return InvalidArgument("problem: {}[{}] is negative", name, i);
  }
  return absl::OkStatus();
}

void FoldTimes(Times& times, double decode_steps) {
  times.request_s.resize(times.size());
  for (size_t i = 0; i < times.size(); ++i) {
    const bool never = std::isinf(times.prefill_s[i]) || std::isinf(times.decode_s[i]);
    times.request_s[i] = never ? kNever : times.prefill_s[i] + decode_steps * times.decode_s[i];
  }
}

}  // namespace

std::string_view Name(Objective objective) {
  return objective == Objective::kLatency ? "latency" : "throughput";
}

void Times::Resize(size_t size) {
  prefill_s.assign(size, 0.0);
  decode_s.assign(size, 0.0);
  request_s.assign(size, 0.0);
}

bool Problem::Possible(int u, int n, int q) const {
  return Offered(u, q) && allowed[Un(u, n)] != 0 && std::isfinite(compute.request_s[At(u, n, q)]);
}

bool Problem::HasRing() const {
  return std::any_of(ring.request_s.begin(), ring.request_s.end(), [](double t) { return t != 0; });
}

void Problem::Resize(int unit_count, int server_count, int type_count) {
  units = unit_count;
  servers = server_count;
  types = type_count;
  const size_t u = static_cast<size_t>(units), n = static_cast<size_t>(servers),
               q = static_cast<size_t>(types);
  compute.Resize(u * n * q);
  for (Times* times : {&hop, &ring, &link_busy}) times->Resize(n * n);
  for (Times* times : {&stage, &entry, &exit}) times->Resize(n);
  move_s.clear();
  weight_bytes.assign(u * q, 0);
  loss.assign(u * q, 0.0);
  offered.assign(u * q, 0);
  allowed.assign(u * n, 1);
  fixed_bytes.assign(u * n, 0);
  kv_bytes.assign(u, 0);
  stage_bytes.assign(n, 0);
  memory_bytes.assign(n, 0);
  disk_bytes.assign(n, kNoLimit);
  busy_limit_s.assign(n, kNever);
  unit_names.clear();
  server_names.clear();
  type_names.clear();
  for (size_t i = 0; i < u; ++i) unit_names.push_back(fmt::format("unit {}", i));
  for (size_t i = 0; i < n; ++i) server_names.push_back(fmt::format("server {}", i));
  for (size_t i = 0; i < u * q; ++i) type_names.push_back(fmt::format("type {}", i % q));
}

void Problem::Fold() {
  for (Times* times : {&compute, &stage, &hop, &entry, &exit, &ring, &link_busy})
    FoldTimes(*times, decode_steps);
}

absl::Status Problem::Check() const {
  if (units < 1 || servers < 1 || types < 1)
    return InvalidArgument("problem: {} units, {} servers, {} types: one of each is the least", units,
                           servers, types);
  const size_t u = static_cast<size_t>(units), n = static_cast<size_t>(servers),
               q = static_cast<size_t>(types);
  RETURN_IF_ERROR(CheckTimes("compute", compute, u * n * q, true));
  RETURN_IF_ERROR(CheckTimes("hop", hop, n * n));
  RETURN_IF_ERROR(CheckTimes("ring", ring, n * n));
  RETURN_IF_ERROR(CheckTimes("link_busy", link_busy, n * n));
  RETURN_IF_ERROR(CheckTimes("stage", stage, n));
  RETURN_IF_ERROR(CheckTimes("entry", entry, n));
  RETURN_IF_ERROR(CheckTimes("exit", exit, n));
  for (int i = 0; i < servers; ++i) {
    if (hop.request_s[Nm(i, i)] != 0) return InvalidArgument("problem: hop[{}][{}] is not 0", i, i);
    if (ring.request_s[Nm(i, i)] != 0) return InvalidArgument("problem: ring[{}][{}] is not 0", i, i);
  }
  if (!move_s.empty()) {
    RETURN_IF_ERROR(CheckSize("move", move_s.size(), u * n * q));
    RETURN_IF_ERROR(CheckNumbers("move", move_s, false));
  }
  RETURN_IF_ERROR(CheckBytes("weight_bytes", weight_bytes, u * q));
  RETURN_IF_ERROR(CheckBytes("fixed_bytes", fixed_bytes, u * n));
  RETURN_IF_ERROR(CheckBytes("kv_bytes", kv_bytes, u));
  RETURN_IF_ERROR(CheckBytes("stage_bytes", stage_bytes, n));
  RETURN_IF_ERROR(CheckBytes("memory_bytes", memory_bytes, n));
  RETURN_IF_ERROR(CheckBytes("disk_bytes", disk_bytes, n));
  RETURN_IF_ERROR(CheckSize("loss", loss.size(), u * q));
  RETURN_IF_ERROR(CheckNumbers("loss", loss, false));
  RETURN_IF_ERROR(CheckNumbers("loss_budget", {loss_budget}, true));
  RETURN_IF_ERROR(CheckBytes("size_budget", {size_budget}, 1));
  RETURN_IF_ERROR(CheckSize("busy_limit", busy_limit_s.size(), n));
  RETURN_IF_ERROR(CheckNumbers("busy_limit", busy_limit_s, true));
  RETURN_IF_ERROR(CheckSize("offered", offered.size(), u * q));
  RETURN_IF_ERROR(CheckSize("allowed", allowed.size(), u * n));
  RETURN_IF_ERROR(CheckSize("unit_names", unit_names.size(), u));
  RETURN_IF_ERROR(CheckSize("server_names", server_names.size(), n));
  return CheckSize("type_names", type_names.size(), u * q);
}

}  // namespace dilemma
