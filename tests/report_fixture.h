// A model, a cluster of four unequal servers, its profile, and a plan that the planner made for them, without
// any file: what reports are tested on.
#pragma once

#include "cluster/cluster.h"
#include "cluster/profile.h"
#include "model/model.h"
#include "plan/plan.h"
#include "planner/problem.h"
#include "quality/quality.h"
#include "report/measured.h"

namespace dilemma {

struct ReportFixture {
  ModelInfo model;
  Cluster cluster;
  Profile profile;
  QualityTable quality;
  Problem problem;
  Workload workload;
  Plan plan;
  MeasuredRun measured;  // a run that is slower than predicted, by a few per cent
};

// Its plan spreads the units evenly over all servers, whatever that costs; times are rough.
absl::StatusOr<ReportFixture> MakeReportFixture();
// Puts the planner's plan in its place, and a run of that.
absl::Status SolvePlan(ReportFixture& fixture);

}  // namespace dilemma
