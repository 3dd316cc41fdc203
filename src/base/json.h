// JSON with errors that name file and field. nlohmann::json throws; nothing here lets an exception out.
#pragma once

#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/status.h"
#include "nlohmann/json.hpp"

namespace dilemma {

using Json = nlohmann::ordered_json;

absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view source);
absl::StatusOr<Json> ReadJson(const std::filesystem::path& path);
absl::Status WriteJson(const std::filesystem::path& path, const Json& json);  // indented, atomic

// A place inside a JSON document: the node and how a person would name it ("plan.json: stages[2].server").
class JsonField {
 public:
  JsonField(const Json& node, std::string where) : node_(&node), where_(std::move(where)) {}

  const Json& node() const { return *node_; }
  const std::string& where() const { return where_; }
  bool Has(std::string_view key) const { return node_->is_object() && node_->contains(key); }
  // True where the key is absent or null.
  bool Missing(std::string_view key) const { return !Has(key) || node_->at(std::string(key)).is_null(); }

  absl::StatusOr<JsonField> At(std::string_view key) const;
  absl::StatusOr<std::vector<JsonField>> Items() const;  // of an array
  absl::StatusOr<double> Number() const;                 // finite
  absl::StatusOr<int64_t> Integer() const;
  absl::StatusOr<bool> Bool() const;
  absl::StatusOr<std::string> String() const;

  absl::StatusOr<double> Number(std::string_view key) const;
  absl::StatusOr<int64_t> Integer(std::string_view key) const;
  absl::StatusOr<bool> Bool(std::string_view key) const;
  absl::StatusOr<std::string> String(std::string_view key) const;
  absl::StatusOr<std::vector<JsonField>> Items(std::string_view key) const;
  absl::StatusOr<std::vector<double>> Numbers(std::string_view key) const;

  // Checks "format" and "version" of a document of ours; `command` is what writes such files.
  absl::Status CheckFormat(std::string_view format, int64_t version, std::string_view command) const;

  // "<where>: <message>", as kInvalidArgument.
  absl::Status Error(std::string_view message) const;

 private:
  const Json* node_;  // not owned: the document outlives the field
  std::string where_;
};

}  // namespace dilemma
