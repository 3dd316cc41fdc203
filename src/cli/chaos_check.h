// Whether users got what they would have got without trouble.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/chaos_load.h"
#include "cli/chaos_trouble.h"
#include "cluster/cluster.h"
#include "plan/plan.h"

namespace dilemma::cli {

struct ChaosVerdict {
  int requests = 0;
  int same = 0;       // equal to an undisturbed run under the original plan
  int replanned = 0;  // marked so, and every part equal to an undisturbed run of its plan from there on
  int recovered = 0;  // of all: those that went over more than one ring
  std::vector<std::string> wrong;  // a request each: what is wrong with it
  bool good() const { return wrong.empty(); }
};

using FindPlan = std::function<std::optional<Plan>(const std::string& id)>;

// Told before each part is asked for, one at a time, from any thread.
using CheckProgress = std::function<void(size_t done, size_t parts)>;

// Runs every part again, undisturbed, on the cluster (which must be whole again and free): plan by plan, and
// on each as many at once as it has users. What is the same is asked once.
absl::StatusOr<ChaosVerdict> CheckAnswers(const std::vector<ChaosRequest>& requests,
                                          const std::string& original_plan, const FindPlan& find_plan,
                                          const Cluster& cluster, const std::filesystem::path& shards,
                                          const CoordinatorOptions& options, const CheckProgress& progress);

// From the trouble's beginning to the token that ended the longest silence begun while it lasted; 0: none
// came.
double SecondsToNextToken(const std::vector<ChaosRequest>& requests, const Trouble& trouble);

}  // namespace dilemma::cli
