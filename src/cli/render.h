// What people see of plans, profiles and clusters: plain tables and a picture of the ring.
#pragma once

#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "cluster/profile.h"
#include "model/model.h"
#include "plan/plan.h"
#include "plan/stage_labels.h"
#include "runtime/coordinator.h"

namespace dilemma::cli {

std::string RenderCluster(const Cluster& cluster);
std::string RenderProfile(const Profile& profile);

// One row a stage: server, units, types, bytes, memory, share of the delay of a token; then totals and what
// binds.
std::string RenderPlan(const Plan& plan, const ModelInfo& model);

// The way of a token around the servers, with hop times.
std::string RenderRing(const Plan& plan, const ModelInfo& model);

// Predicted beside measured, stage by stage: compute, the link into the stage, and what neither explains.
std::string RenderMeasured(const Plan& plan, const GenerateResult& result, double decode_s);

// "embedding + layers 0-9", "layer 3", "layers 12-29 + head".
std::string UnitRange(const ModelInfo& model, int first_unit, int last_unit);

}  // namespace dilemma::cli
