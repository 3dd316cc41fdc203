// From a Hugging Face OPT folder to one GGUF file of the architecture "opt".
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "importer/opt_config.h"

namespace dilemma {

// kAuto: F16 where all of the source's matrices are F16, so that nothing is lost; F32 otherwise.
// kQ8_0: matrices whose rows are no multiples of 32 stay F16.
enum class ImportType { kAuto, kF16, kF32, kQ8_0 };

struct ImportOptions {
  ImportType type = ImportType::kAuto;  // of matrices; biases and norms are always F32
  std::string name = {};                // general.name; empty: the folder's name
  // Called with tensors done and all; returning false cancels (kCancelled, nothing left behind).
  std::function<bool(int done, int total)> progress = nullptr;
};

struct ImportResult {
  OptConfig config;
  std::string weights;                 // the files that held them, for people
  ImportType type = ImportType::kF32;  // never kAuto
  int64_t parameters = 0;
  int64_t bytes = 0;       // of the GGUF file
  bool tied_head = false;  // the file has no output matrix of its own
};

// The folder's own name, also for "." and "DIR/".
std::string ModelName(const std::filesystem::path& folder);

// Reads and checks everything but the weights first, then writes tensor by tensor beside `output` and
// renames. Errors name file and field and leave nothing behind; a weight that is not finite or too large for
// F16 is one. Several threads may import to different files.
absl::StatusOr<ImportResult> ImportOpt(const std::filesystem::path& folder,
                                       const std::filesystem::path& output,
                                       const ImportOptions& options = {});

}  // namespace dilemma
