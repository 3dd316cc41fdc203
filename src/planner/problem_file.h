// The bare problem as JSON (docs/formats.md), for instances that come from elsewhere, and the answer to it.
// Times in milliseconds, sizes in bytes.
#pragma once

#include <filesystem>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "planner/problem.h"
#include "planner/solver.h"

namespace dilemma {

// Required: compute_ms[u][n][q], hop_ms[n][m], entry_ms[n], exit_ms[n], weight_bytes[u][q], memory_bytes[n],
// loss[u][q], loss_budget, one_block_per_server. A number of compute_ms, weight_bytes or loss may be null
// where a type is not on a unit's menu. Optional: ring_ms[n][m], fixed_bytes[u][n], stage_bytes[n],
// disk_bytes[n], size_budget, allowed[u][n], max_servers, objective ("latency" or "throughput"), unit_names,
// server_names. kInvalidArgument names the field: missing, negative, not a finite number, or ragged.
absl::StatusOr<Problem> ProblemFromJson(const Json& json, std::string_view source);
absl::StatusOr<Problem> ReadProblem(const std::filesystem::path& path);
// Reads back to an equal problem where it has no more than the fields above.
Json ProblemToJson(const Problem& problem);

// {"status", "objective_ms", "bound_ms", "gap", "seconds", "assignment": [[server, type], ...], "reason"}.
// Absent values are null; reason only where there is one.
Json AnswerToJson(const SolveResult& result);

}  // namespace dilemma
