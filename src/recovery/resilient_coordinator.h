// A coordinator that outlives its servers. When one dies, hangs or is cut off, the ring is opened again: on
// the same plan where the server is back at once, else on a plan for those that are left; every request goes
// on from the tokens it had, with nothing lost and nothing twice. Servers that come back are used again when
// nothing runs, or at the next loss.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "recovery/replanner.h"
#include "runtime/coordinator.h"
#include "study/plan_inputs.h"

namespace dilemma {

struct RecoveryEvent {
  enum class Kind {
    kLost,       // the ring broke; `text` says who and how
    kRecovered,  // a ring is open again, after `seconds`
    kReturned,   // back on the original plan, as all of its servers are there
    kWaiting,    // nothing can be opened now; `text` says why
    kPrepared,   // for the loss of a server, or why not
  };
  Kind kind = Kind::kLost;
  std::string text;
  std::string plan;  // PlanId of the plan in use (kRecovered, kReturned)
  double seconds = 0;
};
std::string_view Name(RecoveryEvent::Kind kind);

struct RecoveryOptions {
  CoordinatorOptions ring;
  std::optional<PlanInputs> inputs;  // to plan again from; absent: only the same plan is opened again
  ReplannerOptions replan;
  bool stand_by = false;         // plan for each loss ahead, and send the shards ahead
  double restart_grace_s = 0.5;  // a server whose process is back after so long has not been away
  double give_up_s = 60;         // a request that finds no ring for so long fails
  double return_idle_s = 1;      // nothing ran for so long: the original plan may be taken up again
  std::function<void(const RecoveryEvent&)> on_event;  // from any thread, one at a time
  // A ring was opened on this plan; called before anything runs on it. `replanned`: not the one asked for.
  std::function<void(const Plan& plan, bool replanned)> on_plan;
};

struct RecoveryState {
  std::string plan;  // PlanId of the plan in use; empty while there is none
  bool original = true;
  int64_t losses = 0, recoveries = 0, replans = 0;  // replans: openings of a plan that is not the original
  absl::Status trouble;                             // why there is no ring; OK while there is one
};

// Twelve hexadecimal digits: equal for plans with the same servers, units, types and shards.
std::string PlanId(const Plan& plan);

// Defaults of `ring` for this use: a silent server is noticed in 2 s, and nothing is waited for as long as
// when a person waits.
CoordinatorOptions QuickToNotice(CoordinatorOptions options);

// Thread-safe.
class ResilientCoordinator : public Coordinator {
 public:
  // As Coordinator::Open: the first ring must open. `shards`: new ones are written there.
  static absl::StatusOr<std::unique_ptr<ResilientCoordinator>> Open(const Plan& plan, const Cluster& cluster,
                                                                    const std::filesystem::path& shards,
                                                                    const RecoveryOptions& options);
  virtual RecoveryState state() const = 0;
  // The plan with that PlanId, of those that were in use; absent for others.
  virtual std::optional<Plan> FindPlan(const std::string& id) const = 0;
  // Until stand-by plans are made and sent; false where the time passed first.
  virtual bool WaitForStandBy(double timeout_s) const = 0;
};

}  // namespace dilemma
