#include "recovery/resilient_coordinator.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/status.h"
#include "recovery/continuation.h"
#include "recovery/stand_by.h"
#include "runtime/machine.h"

namespace dilemma {
namespace {

constexpr auto kTick = std::chrono::milliseconds(50);  // how often Ctrl-C is looked for
constexpr double kRetryS = 0.5;                        // between attempts to open something
constexpr double kCheckS = 1;                          // between looks for servers that came back
constexpr double kAnswerS = 1;                         // for a server to answer
constexpr double kHopS = 1;                            // for a link to carry something
constexpr double kQuickTimeoutS = 2;
constexpr int kFruitless = 5;  // rings in a row that fail a request before they give it a token

double SecondsSince(int64_t ns) { return static_cast<double>(MonotonicNanos() - ns) * 1e-9; }

// A request that cannot be, or was stopped: another ring changes nothing.
bool IsFinal(const absl::Status& status) {
  return absl::IsCancelled(status) || absl::IsInvalidArgument(status);
}

class Keeper : public ResilientCoordinator {
 public:
  Keeper(const Plan& plan, const Cluster& cluster, std::filesystem::path shards,
         const RecoveryOptions& options)
      : original_(plan),
        original_id_(PlanId(plan)),
        cluster_(cluster),
        shards_(std::move(shards)),
        options_(options) {
    if (options_.inputs.has_value()) {
      PlanInputs inputs = *options_.inputs;
      inputs.cluster = cluster_;
      replanner_.emplace(original_, std::move(inputs), options_.replan);
    }
  }
  ~Keeper() override { Close(); }

  absl::Status OpenFirst() {
    quiet_ring_ = options_.ring;
    if (quiet_ring_.credentials == nullptr) {  // shards are sent ahead with them
      ASSIGN_OR_RETURN(quiet_ring_.credentials, CredentialsFor(cluster_));
    }
    ASSIGN_OR_RETURN(auto ring, Coordinator::Open(original_, cluster_, shards_, quiet_ring_));
    Use(original_, std::move(ring));
    quiet_ring_.on_ship = nullptr;  // it is for the first time, and may be gone later
    if (replanner_.has_value() && options_.stand_by) {
      stand_by_.emplace(original_, cluster_, shards_, quiet_ring_, &*replanner_,
                        [this](const std::string& server, const absl::StatusOr<Plan>& plan) {
                          TellPrepared(server, plan);
                        });
    }
    thread_ = std::thread([this] { Loop(); });
    return absl::OkStatus();
  }

  absl::StatusOr<GenerateResult> Generate(const GenerateRequest& request, const OnToken& on_token) override {
    Continuation whole(request, on_token, MonotonicNanos());
    for (int fruitless = 0; true; ++fruitless) {
      const absl::StatusOr<Lease> leased = WaitForRing(request.still_wanted);
      if (!leased.ok()) return GiveUp(request, std::move(whole), leased.status());
      const Lease& lease = *leased;
      GenerateResult partial;
      GenerateRequest next = whole.Next(lease.plan, MonotonicNanos());
      next.partial = &partial;
      absl::StatusOr<GenerateResult> part =
          lease.ring->Generate(next, [&](int32_t token) { return whole.Take(token); });
      Return(lease, part.status());
      if (part.ok()) {
        whole.Add(*std::move(part), true);
        return std::move(whole).Finish(original_id_);
      }
      if (!partial.tokens.empty()) fruitless = 0;
      whole.Add(std::move(partial), false);
      if (whole.stopped()) return GiveUp(request, std::move(whole), Stopped());
      const bool hopeless = (IsFinal(part.status()) && lease.ring->health().ok()) ||
                            fruitless >= kFruitless;  // perhaps it is the request that breaks them
      if (hopeless) return GiveUp(request, std::move(whole), part.status());
      if (Interrupted()) return GiveUp(request, std::move(whole), InterruptedStatus());
    }
  }

  void Close() override {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      changed_.notify_all();
    }
    if (stand_by_.has_value()) stand_by_->Stop();
    if (thread_.joinable()) thread_.join();
    if (const auto ring = Current(); ring != nullptr) ring->Close();
  }

  absl::Status health() const override {
    const std::lock_guard lock(mutex_);
    return closed_ ? absl::CancelledError("the coordinator was closed") : state_.trouble;
  }
  RecoveryState state() const override {
    const std::lock_guard lock(mutex_);
    return state_;
  }
  std::optional<Plan> FindPlan(const std::string& id) const override {
    const std::lock_guard lock(mutex_);
    const auto it = used_.find(id);
    return it == used_.end() ? std::nullopt : std::optional<Plan>(it->second);
  }
  bool WaitForStandBy(double timeout_s) const override {
    return !stand_by_.has_value() || stand_by_->WaitUntilDone(timeout_s);
  }

 private:
  struct Lease {
    std::shared_ptr<Coordinator> ring;
    std::string plan;
  };

  static absl::Status Stopped() { return absl::CancelledError("the generation was stopped"); }

  absl::Status GiveUp(const GenerateRequest& request, Continuation whole, absl::Status why) const {
    if (request.partial != nullptr) *request.partial = std::move(whole).Finish(original_id_);
    return why;
  }

  absl::StatusOr<Lease> WaitForRing(const std::function<bool()>& still_wanted) {
    const int64_t start_ns = MonotonicNanos();
    std::unique_lock lock(mutex_);
    while (ring_ == nullptr || broken_) {
      if (closed_) return absl::CancelledError("the coordinator was closed");
      if (Interrupted()) return InterruptedStatus();
      if (still_wanted) {
        lock.unlock();
        if (!still_wanted()) return Stopped();
        lock.lock();
      }
      if (SecondsSince(start_ns) > options_.give_up_s)
        return Unavailable("no plan could be opened for {:.0f} s: {}", options_.give_up_s,
                           Message(state_.trouble));
      changed_.wait_for(lock, kTick);
    }
    if (closed_) return absl::CancelledError("the coordinator was closed");
    ++running_;
    return Lease{ring_, state_.plan};
  }

  void Return(const Lease& lease, const absl::Status& status) {
    const absl::Status health = status.ok() ? absl::OkStatus() : lease.ring->health();
    // A stall is told to the one who waited, not to the ring.
    const bool broken = !health.ok() || (!status.ok() && !IsFinal(status));
    const std::lock_guard lock(mutex_);
    --running_;
    last_run_ns_ = MonotonicNanos();
    if (broken && lease.ring == ring_ && !closed_ && !broken_) {
      broken_ = true;
      state_.trouble = status.ok() ? health : status;
      broken_ns_ = MonotonicNanos();
    }
    changed_.notify_all();
  }

  std::shared_ptr<Coordinator> Current() const {
    const std::lock_guard lock(mutex_);
    return ring_;
  }

  void Loop() {
    std::unique_lock lock(mutex_);
    while (!closed_ && !Interrupted()) {
      changed_.wait_for(lock, broken_ ? kTick : std::chrono::milliseconds(static_cast<int>(kCheckS * 200)));
      if (closed_) return;
      if (ring_ != nullptr && !broken_) NoticeIdleLoss();
      if (broken_) {
        lock.unlock();
        Recover();
        lock.lock();
      } else if (MayReturn()) {
        lock.unlock();
        if (OriginalIsThere()) ReturnToOriginal();
        lock.lock();
        last_check_ns_ = MonotonicNanos();
      }
    }
  }

  // mutex_ is held. A ring may break while nothing runs on it.
  void NoticeIdleLoss() {
    const absl::Status health = ring_->health();
    if (health.ok()) return;
    broken_ = true;
    state_.trouble = health;
    broken_ns_ = MonotonicNanos();
  }

  bool MayReturn() const {  // mutex_ is held
    return ring_ != nullptr && !state_.original && running_ == 0 &&
           SecondsSince(last_run_ns_) > options_.return_idle_s && SecondsSince(last_check_ns_) > kCheckS;
  }

  bool OriginalIsThere() {
    return DeadServers(cluster_, ServersOf(original_), kAnswerS, 0).empty() &&
           DeadHops(cluster_, original_, kHopS).empty();
  }

  // Requests that come meanwhile wait: a server may not be able to hold stages of two plans.
  void ReturnToOriginal() {
    std::shared_ptr<Coordinator> old;
    {
      const std::lock_guard lock(mutex_);
      if (running_ > 0 || closed_) return;
      old = std::exchange(ring_, nullptr);
      state_.trouble = Unavailable("going back to the original plan");
    }
    const int64_t start_ns = MonotonicNanos();
    old->Close();
    old.reset();
    auto ring = Coordinator::Open(original_, cluster_, shards_, quiet_ring_);
    if (ring.ok()) {
      Use(original_, *std::move(ring));
      return Tell(RecoveryEvent::Kind::kReturned, "all servers of the original plan are back",
                  SecondsSince(start_ns));
    }
    const std::lock_guard lock(mutex_);
    broken_ = true;
    broken_ns_ = start_ns;
    state_.trouble = ring.status();
  }

  void Recover() {
    std::shared_ptr<Coordinator> old;
    std::string why;
    {
      const std::lock_guard lock(mutex_);
      old = std::exchange(ring_, nullptr);
      why = Message(state_.trouble);
      ++state_.losses;
    }
    if (stand_by_.has_value()) stand_by_->Hold(true);
    Tell(RecoveryEvent::Kind::kLost, why, 0);
    std::thread closing([&old] {  // who is there is asked meanwhile
      if (old != nullptr) old->Close();
      old.reset();
    });
    Outage outage = Look();
    closing.join();
    for (bool told = false; !Ended(); told = true, outage = Look()) {
      const absl::Status opened = TryOnce(outage);
      if (opened.ok()) break;
      {
        const std::lock_guard lock(mutex_);
        state_.trouble = opened;
      }
      if (!told) Tell(RecoveryEvent::Kind::kWaiting, std::string(Message(opened)), 0);
      std::this_thread::sleep_for(std::chrono::duration<double>(kRetryS));
    }
    if (stand_by_.has_value()) stand_by_->Hold(false);
  }

  bool Ended() const {
    const std::lock_guard lock(mutex_);
    return closed_ || Interrupted();
  }

  Outage Look() const {
    Outage outage;
    outage.servers = DeadServers(cluster_, UsableServers(cluster_), kAnswerS, options_.restart_grace_s);
    return outage;
  }

  // Opens the best plan for the servers that are there.
  absl::Status TryOnce(Outage outage) {
    if (outage.Spares(original_)) outage.links = DeadHops(cluster_, original_, kHopS);
    if (outage.Spares(original_)) return OpenPlan(original_, outage);
    std::optional<Plan> plan = stand_by_.has_value() ? stand_by_->For(outage) : std::nullopt;
    if (plan.has_value()) {
      absl::Status opened = OpenPlan(*plan, outage);
      if (opened.ok()) return opened;
      for (const auto& hop : DeadHops(cluster_, *plan, kHopS)) outage.links.insert(hop);
      if (outage.Spares(*plan)) return opened;
    }
    if (!replanner_.has_value()) {
      return Unavailable("{} cannot be reached, and there is no profile to plan again from",
                         outage.ToString());
    }
    ASSIGN_OR_RETURN(Plan again, replanner_->PlanWithout(outage, [this] { return Ended(); }));
    RETURN_IF_ERROR(replanner_->WriteShards(again, shards_, [this](double, size_t) { return !Ended(); }));
    return OpenPlan(again, outage);
  }

  absl::Status OpenPlan(const Plan& plan, const Outage& outage) {
    CoordinatorOptions options = quiet_ring_;
    options.on_ship = [this](std::string_view, int64_t, int64_t) { return !Ended(); };
    ASSIGN_OR_RETURN(auto ring, Coordinator::Open(plan, cluster_, shards_, options));
    const std::string id = Use(plan, std::move(ring));
    double seconds = 0;
    {
      const std::lock_guard lock(mutex_);
      seconds = SecondsSince(broken_ns_);
      ++state_.recoveries;
      if (id != original_id_) ++state_.replans;
    }
    std::string how = "the same plan again";
    if (id != original_id_) {
      how = fmt::format("planned again without {}: predicted {:.1f} ms a token (was {:.1f})",
                        outage.ToString(), plan.predicted.decode_s * 1e3, original_.predicted.decode_s * 1e3);
      if (plan.loss > original_.loss_budget * (1 + 1e-9))
        how += fmt::format("; its loss of {:.4g} is outside the budget of {:.4g}", plan.loss,
                           original_.loss_budget);
    }
    Tell(RecoveryEvent::Kind::kRecovered, how, seconds);
    return absl::OkStatus();
  }

  std::string Use(const Plan& plan, std::shared_ptr<Coordinator> ring) {
    std::string id = PlanId(plan);
    if (options_.on_plan) options_.on_plan(plan, id != original_id_);
    const std::lock_guard lock(mutex_);
    ring_ = std::move(ring);
    state_.plan = id;
    state_.original = id == original_id_;
    state_.trouble = absl::OkStatus();
    used_.insert_or_assign(id, plan);
    broken_ = false;
    last_run_ns_ = MonotonicNanos();
    changed_.notify_all();
    return id;
  }

  void TellPrepared(const std::string& server, const absl::StatusOr<Plan>& plan) {
    Tell(RecoveryEvent::Kind::kPrepared,
         plan.ok() ? fmt::format("for the loss of {}: {:.1f} ms a token, loss {:.4g}", server,
                                 plan->predicted.decode_s * 1e3, plan->loss)
                   : fmt::format("not for the loss of {}: {}", server, Message(plan.status())),
         0);
  }

  void Tell(RecoveryEvent::Kind kind, const std::string& text, double seconds) {
    spdlog::info("recovery: {}: {}", Name(kind), text);
    if (!options_.on_event) return;
    RecoveryEvent event;
    event.kind = kind;
    event.text = text;
    event.plan = state().plan;
    event.seconds = seconds;
    const std::lock_guard lock(telling_);
    options_.on_event(event);
  }

  const Plan original_;
  const std::string original_id_;
  const Cluster cluster_;
  const std::filesystem::path shards_;
  const RecoveryOptions options_;
  CoordinatorOptions quiet_ring_;
  std::optional<Replanner> replanner_;
  std::optional<StandBy> stand_by_;
  std::mutex telling_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::shared_ptr<Coordinator> ring_;  // nullptr while there is none
  RecoveryState state_;
  std::map<std::string, Plan> used_;
  int running_ = 0;
  bool broken_ = false, closed_ = false;
  int64_t broken_ns_ = 0, last_run_ns_ = 0, last_check_ns_ = 0;
  std::thread thread_;
};

}  // namespace

std::string_view Name(RecoveryEvent::Kind kind) {
  switch (kind) {
    case RecoveryEvent::Kind::kLost:
      return "lost";
    case RecoveryEvent::Kind::kRecovered:
      return "recovered";
    case RecoveryEvent::Kind::kReturned:
      return "returned";
    case RecoveryEvent::Kind::kWaiting:
      return "waiting";
    case RecoveryEvent::Kind::kPrepared:
      return "prepared";
  }
  return "";
}

std::string PlanId(const Plan& plan) {
  std::string text;
  for (const PlanStage& stage : plan.stages) {
    text += fmt::format("{} {} {} {}", stage.server, stage.first_unit, stage.last_unit, stage.shard);
    for (const TypeMix& mix : stage.types) text += " " + mix.ToString();
    text += "\n";
  }
  return Sha256(text).substr(0, 12);
}

CoordinatorOptions QuickToNotice(CoordinatorOptions options) {
  options.peer_timeout_s = kQuickTimeoutS;
  options.connect_timeout_s = kQuickTimeoutS;
  return options;
}

absl::StatusOr<std::unique_ptr<ResilientCoordinator>> ResilientCoordinator::Open(
    const Plan& plan, const Cluster& cluster, const std::filesystem::path& shards,
    const RecoveryOptions& options) {
  auto keeper = std::make_unique<Keeper>(plan, cluster, shards, options);
  RETURN_IF_ERROR(keeper->OpenFirst());
  return keeper;
}

}  // namespace dilemma
