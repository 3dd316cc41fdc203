// The paper's study (DILEMMA, arXiv 2503.01704) on a model at hand, as data: the joint plan on its cluster,
// completion time against link and CPU speed beside other methods, solver time, and what quantization and
// distillation do to answers on SQuAD. Pieces that take long are kept in a work folder and taken up again.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "model/model.h"
#include "plan/plan.h"
#include "quality/quality.h"
#include "reproduction/completion_time.h"
#include "reproduction/paper_cluster.h"
#include "reproduction/quality_rows.h"
#include "reproduction/solver_time.h"

namespace dilemma {

struct StudyModel {
  ModelInfo file;        // what is quantized, distilled and asked
  ModelInfo planned;     // what is planned: the same, or with OPT-350m's dimensions where it stands in for it
  QualityTable quality;  // losses of the file's layers, sizes of the planned model
  std::string sha256;    // of the file
  bool stand_in = false;
};

struct StudyOptions {
  std::string as_good_as = "q4_0";  // the loss budget is that of this type everywhere, times budget_factor
  double budget_factor = 0.8;
  Workload workload = PaperWorkload();
  std::vector<double> link_mbps = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};
  std::vector<double> cpu_factors = {0.25, 0.5, 1, 2, 4, 8};
  CompletionOptions completion;
  SolverTimeOptions solver_time;
  int trade_off_points = 9;
  // Questions: no value where SQuAD is not at hand; `no_questions` says why.
  std::optional<QuestionOptions> questions;
  std::string no_questions;
  std::filesystem::path work_dir;  // for what takes long; must exist
};

// The document of docs/formats.md ("dilemma-reproduction"). Deterministic but for seconds of solvers. Errors
// name the part; kCancelled where `control` stopped it, with finished pieces left in work_dir.
absl::StatusOr<Json> Reproduce(const StudyModel& model, const StudyOptions& options,
                               const StudyControl& control);

}  // namespace dilemma
