#include "base/json.h"

#include "base/file.h"

namespace dilemma {

absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view source) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return InvalidArgument("{}: is empty; JSON was expected", source);
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    const size_t at = std::min(error.byte, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    return InvalidArgument("{}: not valid JSON near line {} ({} byte {} of {})", source, line,
                           error.byte > text.size() ? "it ends too early, at" : "at", at, text.size());
  } catch (const Json::out_of_range& error) {  // a number beyond double's range, say
    const std::string_view what = error.what();
    return InvalidArgument("{}: not valid JSON: {}", source, what.substr(what.find(' ') + 1));
  }
}

absl::StatusOr<Json> ReadJson(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseJson(text, path.string());
}

absl::Status WriteJson(const std::filesystem::path& path, const Json& json) {
  return WriteFileAtomically(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

absl::Status JsonField::Error(std::string_view message) const {
  return InvalidArgument("{}: {}", where_, message);
}

absl::Status JsonField::CheckFormat(std::string_view format, int64_t version,
                                    std::string_view command) const {
  const auto found = Has("format") ? String("format") : absl::StatusOr<std::string>("");
  if (!found.ok() || *found != format) {
    return Error(fmt::format("this is no {} file (its \"format\" is '{}'); `{}` writes one", format,
                             found.ok() ? *found : "not a text", command));
  }
  ASSIGN_OR_RETURN(const int64_t has, Integer("version"));
  if (has != version) {
    return Error(fmt::format("has version {}, this program reads version {}; write it again with `{}`", has,
                             version, command));
  }
  return absl::OkStatus();
}

absl::StatusOr<JsonField> JsonField::At(std::string_view key) const {
  if (!node_->is_object()) return Error("expected an object");
  const auto it = node_->find(std::string(key));
  if (it == node_->end()) return Error(fmt::format("the field '{}' is missing", key));
  const bool top = where_.ends_with(".json") || where_.find(": ") == std::string::npos;
  return JsonField(*it, fmt::format("{}{}{}", where_, top ? ": " : ".", key));
}

absl::StatusOr<std::vector<JsonField>> JsonField::Items() const {
  if (!node_->is_array()) return Error("expected a list");
  std::vector<JsonField> items;
  items.reserve(node_->size());
  for (size_t i = 0; i < node_->size(); ++i)
    items.emplace_back(node_->at(i), fmt::format("{}[{}]", where_, i));
  return items;
}

absl::StatusOr<double> JsonField::Number() const {
  if (!node_->is_number()) return Error("expected a number");
  const double value = node_->get<double>();
  if (!std::isfinite(value)) return Error("expected a finite number");
  return value;
}

absl::StatusOr<int64_t> JsonField::Integer() const {
  if (node_->is_number_unsigned() && node_->get<uint64_t>() > uint64_t{INT64_MAX})
    return Error("number too large");
  if (node_->is_number_integer()) return node_->get<int64_t>();
  return Error("expected a whole number");
}

absl::StatusOr<bool> JsonField::Bool() const {
  if (!node_->is_boolean()) return Error("expected true or false");
  return node_->get<bool>();
}

absl::StatusOr<std::string> JsonField::String() const {
  if (!node_->is_string()) return Error("expected a text");
  return node_->get<std::string>();
}

absl::StatusOr<double> JsonField::Number(std::string_view key) const {
  ASSIGN_OR_RETURN(const JsonField field, At(key));
  return field.Number();
}
absl::StatusOr<int64_t> JsonField::Integer(std::string_view key) const {
  ASSIGN_OR_RETURN(const JsonField field, At(key));
  return field.Integer();
}
absl::StatusOr<bool> JsonField::Bool(std::string_view key) const {
  ASSIGN_OR_RETURN(const JsonField field, At(key));
  return field.Bool();
}
absl::StatusOr<std::string> JsonField::String(std::string_view key) const {
  ASSIGN_OR_RETURN(const JsonField field, At(key));
  return field.String();
}
absl::StatusOr<std::vector<JsonField>> JsonField::Items(std::string_view key) const {
  ASSIGN_OR_RETURN(const JsonField field, At(key));
  return field.Items();
}
absl::StatusOr<std::vector<double>> JsonField::Numbers(std::string_view key) const {
  ASSIGN_OR_RETURN(const auto items, Items(key));
  std::vector<double> numbers;
  numbers.reserve(items.size());
  for (const JsonField& item : items) {
    ASSIGN_OR_RETURN(const double value, item.Number());
    numbers.push_back(value);
  }
  return numbers;
}

}  // namespace dilemma
