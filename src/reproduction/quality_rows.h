// What quantization and distillation do to answers: SQuAD v1.1 asked of the teacher, of the model at 8 and 4
// bits throughout, and at the joint plan's types with and without distillation.
#pragma once

#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "model/model.h"
#include "reproduction/completion_time.h"
#include "reproduction/pieces.h"

namespace dilemma {

struct QuestionOptions {
  std::filesystem::path squad;     // a SQuAD v1.1 file
  std::set<std::string> held_out;  // titles to ask about; empty: the test half (evaluation/text.h). The rest
                                   // is calibration text.
  int64_t questions = 150;         // about so many
  // Of calibration text: passages with their questions answered (AnsweredText). A model with fewer positions
  // gets shorter windows.
  int64_t windows = 32, window = 512;
  int threads = 0;  // 0: all cores
};

// Types of every unit.
struct Variant {
  std::string name, label;
  std::vector<TypeMix> types;  // empty: the teacher as it is
  bool distil = false;
};

// That there are questions and calibration text, and that the model has positions enough for them:
// kInvalidArgument where not. Quick; said before long work begins.
absl::Status CheckQuestions(const ModelInfo& model, const QuestionOptions& options);

// {"questions": .., "part": .., "rows": [..]} of docs/formats.md. `bytes_at_f32`: of all units, what ratios
// are taken against.
absl::StatusOr<Json> AskQuestions(const ModelInfo& model, const std::string& model_sha256,
                                  std::span<const Variant> variants, const QuestionOptions& options,
                                  const Pieces& pieces, const StudyControl& control);

}  // namespace dilemma
