#include "reproduction/pieces.h"

#include "base/file.h"
#include "base/status.h"

namespace dilemma {
namespace {

constexpr int kVersion = 1;  // raise it when what pieces are made by changes

}  // namespace

absl::StatusOr<Json> Pieces::Get(std::string_view name, const Json& inputs,
                                 const std::function<absl::StatusOr<Json>()>& make) const {
  const std::string key = Sha256(fmt::format("{} {} {}", kVersion, name, inputs.dump())).substr(0, 16);
  const auto path = folder_ / fmt::format("{}-{}.json", name, key);
  if (std::filesystem::exists(path)) {
    auto piece = ReadJson(path);
    if (piece.ok()) return piece;
  }
  ASSIGN_OR_RETURN(Json piece, make());
  RETURN_IF_ERROR(WriteJson(path, piece));
  return piece;
}

}  // namespace dilemma
