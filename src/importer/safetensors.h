// Reads the header of a .safetensors file: eight bytes of length, JSON with type, shape and offsets of each
// tensor, then the data (https://github.com/huggingface/safetensors, "Format").
#pragma once

#include <filesystem>
#include <vector>

#include "absl/status/statusor.h"
#include "importer/source_tensor.h"

namespace dilemma {

// Checks every offset, size and type against the file: kInvalidArgument, naming file and tensor, for a file
// that is cut off, damaged, or holds a type that is not F32, F16 or BF16.
absl::StatusOr<std::vector<SourceTensor>> ReadSafetensorsHeader(const std::filesystem::path& path);

}  // namespace dilemma
