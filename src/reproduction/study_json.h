// The parts of a study as JSON and as CSV tables (docs/formats.md).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "reproduction/completion_time.h"
#include "reproduction/reproduction.h"
#include "reproduction/solver_time.h"

namespace dilemma {

Json ToJson(const MethodResult& completion);
Json ToJson(const SolverComparison& comparison);
Json ModelJson(const StudyModel& model);
Json SettingJson(const Workload& workload);

// {file name, contents} of each table of a study's document.
std::vector<std::pair<std::string, std::string>> StudyTables(const Json& study);

}  // namespace dilemma
