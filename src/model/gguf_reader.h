// Reads what a GGUF file says of its model, and its tensors' bytes. GGUF is parsed by ggml.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"

namespace dilemma {

// Reads and checks a whole model: kInvalidArgument for a file that is not GGUF, truncated, of an architecture
// that cannot be cut, or with missing tensors; the message names the file and what to do.
absl::StatusOr<ModelInfo> ReadModel(const std::filesystem::path& path);

// The bytes of one tensor, as they are in the file.
absl::StatusOr<std::string> ReadTensorBytes(const std::filesystem::path& path, const TensorInfo& tensor);

}  // namespace dilemma
