// Several models that share one set of servers: each has a planning problem of its own (units, types, loss
// budget, context, users) and a weight; memory, disk and compute time of the servers are shared.
// docs/formulation.md, "Several models". Seconds and bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "planner/problem.h"

namespace dilemma {

// One model. Its Problem over all servers of a large fleet would take tens of megabytes (tables of pairs), so
// it is asked for over the servers that somebody looks at. Immutable; safe from several threads.
class FleetModel {
 public:
  FleetModel(std::string name, double weight) : name_(std::move(name)), weight_(weight) {}
  virtual ~FleetModel() = default;
  const std::string& name() const { return name_; }
  double weight() const { return weight_; }  // w[k]
  // The model's own problem over these servers of the fleet, in this order; its limits of servers are the
  // model's own (at most what the fleet has).
  virtual Problem Over(absl::Span<const int> servers) const = 0;

 private:
  std::string name_;
  double weight_;
};

// A model whose Problem over all servers is at hand.
std::unique_ptr<FleetModel> MakeFleetModel(std::string name, double weight, Problem problem);

// The problem over a few of its servers.
Problem Restrict(const Problem& problem, absl::Span<const int> servers);

struct Fleet {
  std::vector<std::string> server_names;          // [n]
  std::vector<int64_t> memory_bytes, disk_bytes;  // [n] shared by all models; kNoLimit where there is none
  std::vector<double>
      busy_limit_s;  // [n] compute time that one token of every model may cost; kNever: no limit
  std::vector<std::shared_ptr<const FleetModel>> models;  // [k]

  int servers() const { return static_cast<int>(server_names.size()); }
  int size() const { return static_cast<int>(models.size()); }
};

struct NamedProblem {
  std::string name;
  double weight = 1;
  Problem problem;
};
// The shared limits are the least that any of the problems states. kInvalidArgument where the problems
// disagree on the servers, a weight is not a positive number, or there is no model.
absl::StatusOr<Fleet> MakeFleet(std::vector<NamedProblem> problems);

}  // namespace dilemma
