// Finished parts of a long study, kept as JSON files named after what they were made from, so that an
// interrupted or repeated study does no work twice.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/json.h"

namespace dilemma {

class Pieces {
 public:
  // `folder` must exist.
  explicit Pieces(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // The piece as it was made from the same inputs, or `make`'s result, which is kept. `inputs` is all that
  // the result depends on. A damaged file counts as none.
  absl::StatusOr<Json> Get(std::string_view name, const Json& inputs,
                           const std::function<absl::StatusOr<Json>()>& make) const;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

}  // namespace dilemma
