// Reading what people write in TOML (toml++), with errors that name line and field. For the .cc files of
// rooms that read such files; no other header includes it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/status.h"

// toml++ 3.3 asserts that a table's header begins like a name, before it checks that and says what is wrong:
// "[[|" would end the program.
#define TOML_ASSERT(expression) static_cast<void>(0)
#include "toml++/toml.h"

namespace dilemma {

inline absl::StatusOr<toml::table> ParseToml(std::string_view text, const std::string& source) {
  try {
    return toml::parse(text, source);
  } catch (const toml::parse_error& error) {
    return InvalidArgument("{}: line {}: not valid TOML: {}", source, error.source().begin.line,
                           error.description());
  }
}

// One table of the file, with the names that were read: any other name is a spelling mistake and an error.
class TomlFields {
 public:
  TomlFields(const toml::table& table, std::string source, std::string what)
      : table_(table), source_(std::move(source)), what_(std::move(what)) {}

  absl::Status Error(std::string_view field, std::string_view message) {
    const toml::node* node = table_.get(field);
    const auto line = node != nullptr ? node->source().begin.line : table_.source().begin.line;
    return InvalidArgument("{}: line {}: {}, '{}': {}", source_, line, what_, field, message);
  }

  absl::StatusOr<std::optional<std::string>> Text(std::string_view field) {
    seen_.insert(std::string(field));
    const toml::node* node = table_.get(field);
    if (node == nullptr) return std::nullopt;
    if (!node->is_string()) return Error(field, "expected a text in quotes, like \"4 GiB\" or \"5 ms\"");
    return node->as_string()->get();
  }

  absl::StatusOr<std::string> RequiredText(std::string_view field) {
    ASSIGN_OR_RETURN(const auto text, Text(field));
    if (!text.has_value() || text->empty()) return Error(field, "is missing");
    return *text;
  }

  template <typename Parse, typename Value>
  absl::Status Quantity(std::string_view field, Parse parse, Value& value) {
    ASSIGN_OR_RETURN(const auto text, Text(field));
    if (!text.has_value()) return absl::OkStatus();
    auto parsed = parse(*text);
    if (!parsed.ok()) return Error(field, Message(parsed.status()));
    value = *parsed;
    return absl::OkStatus();
  }

  absl::Status Number(std::string_view field, double low, double high, double& value) {
    seen_.insert(std::string(field));
    const toml::node* node = table_.get(field);
    if (node == nullptr) return absl::OkStatus();
    const auto number = node->value<double>();
    if (!number.has_value() || !(*number >= low && *number <= high)) {
      return Error(field, fmt::format("expected a number from {} to {}", low, high));
    }
    value = *number;
    return absl::OkStatus();
  }

  absl::Status Bool(std::string_view field, bool& value) {
    seen_.insert(std::string(field));
    const toml::node* node = table_.get(field);
    if (node == nullptr) return absl::OkStatus();
    if (!node->is_boolean()) return Error(field, "expected true or false");
    value = node->as_boolean()->get();
    return absl::OkStatus();
  }

  void Allow(std::string_view field) { seen_.insert(std::string(field)); }

  absl::Status RejectUnknown() {
    for (const auto& [key, node] : table_) {
      if (seen_.contains(std::string(key.str()))) continue;
      std::string known;
      for (const std::string& name : seen_) known += (known.empty() ? "" : ", ") + name;
      return Error(key.str(), fmt::format("is not a field here; there are: {}", known));
    }
    return absl::OkStatus();
  }

 private:
  const toml::table& table_;
  std::string source_, what_;
  std::set<std::string> seen_;
};

// Calls `read` for each table of the list `key`.
template <typename Read>
absl::Status EachTable(const toml::table& root, std::string_view key, const std::string& source, Read read) {
  const toml::node* node = root.get(key);
  if (node == nullptr) return absl::OkStatus();
  if (!node->is_array_of_tables()) {
    return InvalidArgument("{}: line {}: '{}' must be written as [[{}]] sections", source,
                           node->source().begin.line, key, key);
  }
  size_t number = 0;
  for (const toml::node& item : *node->as_array()) RETURN_IF_ERROR(read(*item.as_table(), ++number));
  return absl::OkStatus();
}

}  // namespace dilemma
