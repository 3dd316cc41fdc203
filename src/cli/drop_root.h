// A node has no need to be root.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace dilemma::cli {

// Becomes the user of that name, for good, where one is given (kFailedPrecondition where this process may
// not); says so where none is given and the process is root.
absl::Status DropRoot(const std::string& user);

}  // namespace dilemma::cli
