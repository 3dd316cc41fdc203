// How a person reads a stage: "embedding + layers 0-2", "q8_0 x1, q4_0 x3".
#pragma once

#include <string>
#include <vector>

#include "plan/plan.h"

namespace dilemma {

std::string UnitLabels(const Plan& plan, const PlanStage& stage);
// Types and how many units have each, in order of appearance; a single one without a number.
std::string TypeSummary(const std::vector<TypeMix>& types);

}  // namespace dilemma
