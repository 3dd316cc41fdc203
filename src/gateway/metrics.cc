#include "gateway/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <set>

#include "gateway/recent_stats.h"
#include "plan/stage_labels.h"

namespace dilemma {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using Labels = std::map<std::string, std::string>;

const Histogram::BucketBoundaries kPassBuckets = {.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2};
const Histogram::BucketBoundaries kLinkBuckets = {.0001, .0002, .0005, .001, .002, .005,
                                                  .01,   .02,   .05,   .1,   .5};
const Histogram::BucketBoundaries kRequestBuckets = {.05, .1, .2, .5, 1, 2, 5, 10, 20, 60, 120, 600};

template <typename Builder>
auto& Register(Builder builder, prometheus::Registry& registry, const std::string& name,
               const std::string& help) {
  return builder.Name("dilemma_" + name).Help(help).Register(registry);
}

}  // namespace

class Metrics::Families {
 public:
  // Gauges of the plan before go.
  void ShowPlan(const Plan& plan) {
    for (const auto& [family, gauge] : of_plan_) family->Remove(gauge);
    of_plan_.clear();
    for (size_t k = 0; k < plan.stages.size(); ++k) {
      const PlanStage& stage = plan.stages[k];
      SetOfPlan(stage_decode_predicted, StageLabels(k, stage.server), stage.decode_s);
      if (k > 0)
        SetOfPlan(link_predicted, LinkLabels(plan.stages[k - 1].server, stage.server), stage.hop_decode_s);
    }
    if (plan.stages.size() > 1) {
      SetOfPlan(link_predicted, LinkLabels(plan.stages.back().server, plan.stages.front().server),
                plan.predicted.ring_s);
    }
    SetOfPlan(decode_predicted, {}, plan.predicted.decode_s);
  }
  void SetOfPlan(Family<Gauge>& family, const Labels& labels, double value) {
    Gauge& gauge = family.Add(labels);
    gauge.Set(value);
    of_plan_.emplace(&family, &gauge);
  }

  static Labels StageLabels(size_t stage, const std::string& server) {
    return {{"stage", std::to_string(stage)}, {"server", server}};
  }
  static Labels StageLabels(size_t stage, const std::string& server, const std::string& phase) {
    return {{"stage", std::to_string(stage)}, {"server", server}, {"phase", phase}};
  }
  static Labels LinkLabels(const std::string& from, const std::string& to) {
    return {{"from", from}, {"to", to}};
  }

  void AddBatch(const BatchStats& batch) {
    const std::string phase =
        batch.prompt_rows == 0 ? "decode" : (batch.decode_rows == 0 ? "prefill" : "mixed");
    tokens.Increment(static_cast<double>(batch.tokens));
    rows.Add({{"phase", "decode"}}).Increment(static_cast<double>(batch.decode_rows));
    rows.Add({{"phase", "prefill"}}).Increment(static_cast<double>(batch.prompt_rows));
    for (size_t k = 0; k < batch.stages.size(); ++k) {
      const BatchStats::Stage& stage = batch.stages[k];
      const Labels labels = StageLabels(k, stage.server, phase);
      stage_compute.Add(labels, kPassBuckets).Observe(stage.compute_s);
      stage_queue.Add(labels, kPassBuckets).Observe(stage.queue_s);
      if (stage.wire_s != 0) stage_wire.Add(labels, kPassBuckets).Observe(stage.wire_s);
      stage_tokens.Add(StageLabels(k, stage.server))
          .Increment(static_cast<double>(batch.decode_rows + batch.prompt_rows));
      const std::string& next = batch.stages[(k + 1) % batch.stages.size()].server;
      if (next != stage.server) {
        link_bytes.Add(LinkLabels(stage.server, next)).Increment(static_cast<double>(stage.sent_bytes));
      }
      const std::string& before = batch.stages[(k + batch.stages.size() - 1) % batch.stages.size()].server;
      if (before != stage.server && stage.wire_s != 0) {
        link_latency.Add(LinkLabels(before, stage.server), kLinkBuckets).Observe(stage.wire_s);
      }
    }
  }

  prometheus::Registry registry;
  Family<Counter>& requests =
      Register(prometheus::BuildCounter(), registry, "requests_total", "HTTP requests, by path and status.");
  Counter& cancelled = Register(prometheus::BuildCounter(), registry, "requests_cancelled_total",
                                "Generations that ended because the client left or the server stopped.")
                           .Add({});
  Counter& prompt_tokens = Register(prometheus::BuildCounter(), registry, "prompt_tokens_total",
                                    "Tokens of the prompts of finished requests.")
                               .Add({});
  Counter& tokens =
      Register(prometheus::BuildCounter(), registry, "generated_tokens_total", "Tokens sampled.").Add({});
  Family<Counter>& rows = Register(prometheus::BuildCounter(), registry, "rows_total",
                                   "Rows that went through the ring, by phase.");
  Gauge& running =
      Register(prometheus::BuildGauge(), registry, "requests_running", "Requests that hold a KV slot.")
          .Add({});
  Gauge& waiting =
      Register(prometheus::BuildGauge(), registry, "requests_waiting", "Requests that wait for a KV slot.")
          .Add({});
  Histogram& first_token = Register(prometheus::BuildHistogram(), registry, "time_to_first_token_seconds",
                                    "From a request's arrival to its first token, waiting included.")
                               .Add({}, kRequestBuckets);
  Histogram& duration = Register(prometheus::BuildHistogram(), registry, "request_duration_seconds",
                                 "From a completion's arrival to its end.")
                            .Add({}, kRequestBuckets);
  Family<Histogram>& stage_compute =
      Register(prometheus::BuildHistogram(), registry, "stage_compute_seconds", "Computing one batch.");
  Family<Histogram>& stage_queue =
      Register(prometheus::BuildHistogram(), registry, "stage_queue_seconds",
               "A batch waiting in a stage, before it was computed and before it was sent.");
  Family<Histogram>& stage_wire = Register(prometheus::BuildHistogram(), registry, "stage_wire_seconds",
                                           "A batch on its way into a stage.");
  Family<Counter>& stage_tokens = Register(prometheus::BuildCounter(), registry, "stage_tokens_total",
                                           "Rows that a stage computed, one a token.");
  Family<Counter>& link_bytes = Register(prometheus::BuildCounter(), registry, "link_bytes_total",
                                         "Bytes of batches and tokens between servers.");
  Family<Histogram>& link_latency =
      Register(prometheus::BuildHistogram(), registry, "link_latency_seconds", "One way between servers.");
  Family<Gauge>& stage_decode_predicted =
      Register(prometheus::BuildGauge(), registry, "stage_decode_predicted_seconds",
               "What the plan says that one token takes in a stage.");
  Family<Gauge>& stage_decode_measured =
      Register(prometheus::BuildGauge(), registry, "stage_decode_measured_seconds",
               "Median of the last batches of one token alone, in a stage.");
  Family<Gauge>& link_predicted = Register(prometheus::BuildGauge(), registry, "link_predicted_seconds",
                                           "What the plan says that one token takes over a link.");
  Family<Gauge>& decode_predicted = Register(prometheus::BuildGauge(), registry, "decode_predicted_seconds",
                                             "What the plan says that one token takes, for one user.");
  Family<Counter>& rings = Register(prometheus::BuildCounter(), registry, "rings_opened_total",
                                    "Rings opened, by whether the plan was the one that was asked for.");
  Gauge& replanned = Register(prometheus::BuildGauge(), registry, "replanned",
                              "1 while another plan than the one that was asked for answers.")
                         .Add({});

 private:
  std::set<std::pair<Family<Gauge>*, Gauge*>> of_plan_;
};

Metrics::Metrics(const Plan& plan)
    : plan_(plan),
      families_(std::make_unique<Families>()),
      recent_(std::make_unique<RecentStats>(plan.stages.size())) {
  families_->ShowPlan(plan);
}
Metrics::~Metrics() = default;

void Metrics::Use(const Plan& plan, bool replanned) {
  const std::lock_guard lock(mutex_);
  plan_ = plan;
  replanned_ = replanned;
  families_->ShowPlan(plan);
  families_->rings.Add({{"plan", replanned ? "another" : "given"}}).Increment();
  families_->replanned.Set(replanned ? 1 : 0);
  recent_->Restart(plan.stages.size());
}

void Metrics::Batch(const BatchStats& batch) {
  families_->AddBatch(batch);
  recent_->Add(batch);
}

void Metrics::Request(std::string_view path, int status) {
  families_->requests.Add({{"path", std::string(path)}, {"status", std::to_string(status)}}).Increment();
}

void Metrics::FirstToken(double seconds) { families_->first_token.Observe(seconds); }

void Metrics::Finished(const Usage& usage, double seconds) {
  families_->prompt_tokens.Increment(static_cast<double>(usage.prompt_tokens));
  families_->duration.Observe(seconds);
}

void Metrics::Cancelled() { families_->cancelled.Increment(); }

std::string Metrics::Text(int running, int waiting) {
  const std::lock_guard lock(mutex_);
  families_->running.Set(running);
  families_->waiting.Set(waiting);
  const auto stages = recent_->Stages();
  for (size_t k = 0; k < stages.size(); ++k) {
    if (stages[k].decode_s == 0) continue;
    families_->SetOfPlan(families_->stage_decode_measured, Families::StageLabels(k, plan_.stages[k].server),
                         stages[k].decode_s);
  }
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

Json Metrics::Live(int running, int waiting) const {
  const std::lock_guard lock(mutex_);
  Json stages = Json::array();
  const auto recent = recent_->Stages();
  for (size_t k = 0; k < recent.size(); ++k) {
    const PlanStage& stage = plan_.stages[k];
    stages.push_back({{"server", stage.server},
                      {"units", UnitLabels(plan_, stage)},
                      {"types", TypeSummary(stage.types)},
                      {"weight_bytes", stage.weight_bytes},
                      {"predicted_decode_s", stage.decode_s},
                      {"measured_decode_s", recent[k].decode_s},
                      {"predicted_link_s", k > 0 ? stage.hop_decode_s : plan_.predicted.ring_s},
                      {"measured_link_s", recent[k].wire_s},
                      {"compute_s", recent[k].compute_s},
                      {"queue_s", recent[k].queue_s},
                      {"busy", recent[k].busy}});
  }
  return {{"model", plan_.model_name},
          {"cluster", plan_.cluster},
          {"users", plan_.workload.users},
          {"context", plan_.workload.context},
          {"running", running},
          {"waiting", waiting},
          {"tokens_per_s", recent_->TokensPerSecond()},
          {"generated_tokens", static_cast<int64_t>(families_->tokens.Value())},
          {"predicted_decode_s", plan_.predicted.decode_s},
          {"replanned", replanned_},
          {"stages", std::move(stages)}};
}

}  // namespace dilemma
