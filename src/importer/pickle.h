// Reads the pickle of a PyTorch state dict without running anything in it. A pickle is a program; this reader
// knows the few instructions and the few names that torch.save writes for a dictionary of tensors and refuses
// all others, so a hostile file is an error, never code that runs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dilemma {

// A tensor as the pickle describes it; the data lie elsewhere.
struct PickledTensor {
  std::string name;          // its key in the state dict
  std::string dtype;         // of the storage: "FloatStorage", "HalfStorage", "BFloat16Storage", ...
  std::string storage;       // key of the storage: entry "<root>/data/<storage>" of the archive
  int64_t storage_size = 0;  // elements of the whole storage
  int64_t offset = 0;        // of the tensor's first element in the storage, in elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // in elements
};

// kInvalidArgument, naming `source`, for a pickle that is damaged, holds anything but a (possibly nested in
// "state_dict" or "model") dictionary of tensors, or names a function or class outside the known few.
absl::StatusOr<std::vector<PickledTensor>> ReadStateDict(std::string_view pickle, std::string_view source);

}  // namespace dilemma
