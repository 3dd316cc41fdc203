#include "importer/gpt2_tokenizer.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/json.h"
#include "base/status.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;
using SortedJson = nlohmann::json;  // for large vocabularies: Json looks keys up one after the other

// What the files say, before it is put in order.
struct Parts {
  std::string vocabulary_file, merges_file;
  std::map<std::string, int64_t> ids;
  std::vector<std::string> merges;
  std::map<std::string, TokenKind> added;
};

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

absl::StatusOr<SortedJson> ReadLargeJson(const fs::path& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  SortedJson json = SortedJson::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) {
    return InvalidArgument("'{}' is not a valid JSON object; download it again", path.string());
  }
  return json;
}

absl::Status AddToken(Parts& parts, std::string_view file, const std::string& token, const SortedJson& id) {
  if (!id.is_number_integer())
    return InvalidArgument("'{}': the id of token '{}' is not a number", file, token);
  const auto [found, added] = parts.ids.emplace(token, id.get<int64_t>());
  if (!added && found->second != id.get<int64_t>()) {
    return InvalidArgument("'{}': token '{}' has the id {}, elsewhere {}", file, token, id.get<int64_t>(),
                           found->second);
  }
  return absl::OkStatus();
}

absl::Status ReadVocabulary(const fs::path& path, const SortedJson& vocabulary, Parts& parts) {
  parts.vocabulary_file = path.string();
  for (const auto& [token, id] : vocabulary.items())
    RETURN_IF_ERROR(AddToken(parts, path.string(), token, id));
  return absl::OkStatus();
}

absl::Status ReadMerges(const fs::path& path, Parts& parts) {
  parts.merges_file = path.string();
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string line = lines[i];
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || (i == 0 && line.starts_with("#version"))) continue;
    parts.merges.push_back(std::move(line));
  }
  return absl::OkStatus();
}

// tokenizer.json holds everything; only what makes it a GPT-2 tokenizer is accepted.
absl::Status ReadFast(const fs::path& path, Parts& parts) {
  ASSIGN_OR_RETURN(const SortedJson json, ReadLargeJson(path));
  const SortedJson none;
  const auto at = [&](const SortedJson& node, const char* key) -> const SortedJson& {
    return node.is_object() && node.contains(key) ? node.at(key) : none;
  };
  const SortedJson& model = at(json, "model");
  const SortedJson& split = at(json, "pre_tokenizer");
  if (at(model, "type") != "BPE" || !at(model, "vocab").is_object() || !at(model, "merges").is_array()) {
    return InvalidArgument("'{}': the model is not byte-pair encoding with vocab and merges, as OPT's is",
                           path.string());
  }
  if (at(split, "type") != "ByteLevel" || at(split, "add_prefix_space") == true ||
      at(split, "use_regex") == false || !at(json, "normalizer").is_null()) {
    return InvalidArgument(
        "'{}': the text is not split as GPT-2 does (pre_tokenizer ByteLevel without prefix space, no "
        "normalizer)",
        path.string());
  }
  RETURN_IF_ERROR(ReadVocabulary(path, at(model, "vocab"), parts));
  parts.merges_file = path.string();
  for (const SortedJson& merge : at(model, "merges")) {
    if (merge.is_string()) {
      parts.merges.push_back(merge.get<std::string>());
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      parts.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
    } else {
      return InvalidArgument("'{}': model.merges[{}] is not a pair of tokens", path.string(),
                             parts.merges.size());
    }
  }
  for (const SortedJson& token : at(json, "added_tokens")) {
    if (!at(token, "content").is_string())
      return InvalidArgument("'{}': an added token has no content", path.string());
    const std::string content = token["content"].get<std::string>();
    RETURN_IF_ERROR(AddToken(parts, path.string(), content, at(token, "id")));
    parts.added[content] = at(token, "special") == true ? TokenKind::kControl : TokenKind::kUserDefined;
  }
  return absl::OkStatus();
}

// A special token is a text or an object with a text; a list has several.
void AddSpecial(const Json& node, Parts& parts) {
  if (node.is_string()) parts.added[node.get<std::string>()] = TokenKind::kControl;
  if (node.is_object() && node.contains("content")) AddSpecial(node["content"], parts);
  if (node.is_array()) {
    for (const Json& item : node) {
      if (!item.is_array()) AddSpecial(item, parts);
    }
  }
}

void AddSpecials(const Json& json, Parts& parts) {
  for (const char* key : {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token",
                          "mask_token", "additional_special_tokens"}) {
    if (json.is_object() && json.contains(key)) AddSpecial(json[key], parts);
  }
}

absl::Status ReadAdded(const fs::path& folder, Parts& parts) {
  const fs::path path = folder / "added_tokens.json";
  if (!Exists(path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const SortedJson json, ReadLargeJson(path));
  for (const auto& [token, id] : json.items()) {
    RETURN_IF_ERROR(AddToken(parts, path.string(), token, id));
    parts.added[token] = TokenKind::kUserDefined;
  }
  return absl::OkStatus();
}

absl::Status ReadTokenizerConfig(const fs::path& folder, Parts& parts, bool& add_bos) {
  const fs::path path = folder / "tokenizer_config.json";
  if (!Exists(path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Json json, ReadJson(path));
  const JsonField config(json, path.string());
  if (!config.Missing("add_bos_token")) {
    ASSIGN_OR_RETURN(add_bos, config.Bool("add_bos_token"));
  }
  if (config.Has("add_prefix_space") && json["add_prefix_space"] == true) {
    return config.Error("add_prefix_space is true; only tokenizers without it can be imported");
  }
  if (!config.Missing("added_tokens_decoder")) {
    for (const auto& [id, token] : json["added_tokens_decoder"].items()) {
      const JsonField field(token, fmt::format("{}: added_tokens_decoder.{}", path.string(), id));
      ASSIGN_OR_RETURN(const std::string content, field.String("content"));
      const SortedJson number = SortedJson::parse(id, nullptr, false);
      RETURN_IF_ERROR(AddToken(parts, path.string(), content, number));
      const bool special = field.Has("special") && token["special"] == true;
      parts.added[content] = special ? TokenKind::kControl : TokenKind::kUserDefined;
    }
  }
  AddSpecials(json, parts);
  return absl::OkStatus();
}

absl::Status ReadMap(const fs::path& folder, Parts& parts) {
  const fs::path path = folder / "special_tokens_map.json";
  if (!Exists(path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Json json, ReadJson(path));
  AddSpecials(json, parts);
  return absl::OkStatus();
}

absl::Status ReadBase(const fs::path& folder, Parts& parts) {
  const fs::path vocabulary = folder / "vocab.json", merges = folder / "merges.txt",
                 fast = folder / "tokenizer.json";
  if (Exists(vocabulary) && Exists(merges)) {
    ASSIGN_OR_RETURN(const SortedJson json, ReadLargeJson(vocabulary));
    RETURN_IF_ERROR(ReadVocabulary(vocabulary, json, parts));
    return ReadMerges(merges, parts);
  }
  if (Exists(fast)) return ReadFast(fast, parts);
  if (Exists(vocabulary)) {
    return NotFound("'{}' has vocab.json but no merges.txt; download merges.txt too", folder.string());
  }
  return NotFound(
      "'{}' has no tokenizer: neither vocab.json with merges.txt nor tokenizer.json; download them too",
      folder.string());
}

absl::Status CheckMerges(const Parts& parts) {
  for (size_t i = 0; i < parts.merges.size(); ++i) {
    const std::string& merge = parts.merges[i];
    const size_t space = merge.find(' ');
    if (space == std::string::npos || space == 0 || space + 1 == merge.size() ||
        merge.find(' ', space + 1) != std::string::npos) {
      return InvalidArgument("'{}': merge {} ('{}') is not a pair of tokens", parts.merges_file, i + 1,
                             merge);
    }
    const std::string left = merge.substr(0, space), right = merge.substr(space + 1);
    for (const std::string& token : {left, right, left + right}) {
      if (!parts.ids.contains(token)) {
        return InvalidArgument(
            "'{}': merge {} ('{}') needs the token '{}', which {} does not have; the two files are "
            "not of one model",
            parts.merges_file, i + 1, merge, token, parts.vocabulary_file);
      }
    }
  }
  if (parts.merges.empty())
    return InvalidArgument("'{}' has no merges; download it again", parts.merges_file);
  return absl::OkStatus();
}

absl::StatusOr<Gpt2Tokenizer> Arrange(Parts parts, const OptConfig& config, bool add_bos) {
  Gpt2Tokenizer tokenizer;
  tokenizer.add_bos = add_bos;
  tokenizer.tokens.resize(static_cast<size_t>(config.vocabulary));
  tokenizer.kinds.assign(tokenizer.tokens.size(), TokenKind::kUnused);
  for (const auto& [token, id] : parts.ids) {
    if (id < 0 || id >= config.vocabulary) {
      return InvalidArgument("'{}': token '{}' has the id {}, but config.json says vocab_size = {}",
                             parts.vocabulary_file, token, id, config.vocabulary);
    }
    const auto at = static_cast<size_t>(id);
    if (tokenizer.kinds[at] != TokenKind::kUnused) {
      return InvalidArgument("'{}': tokens '{}' and '{}' have the same id {}", parts.vocabulary_file,
                             tokenizer.tokens[at], token, id);
    }
    const auto added = parts.added.find(token);
    tokenizer.tokens[at] = token;
    tokenizer.kinds[at] = added == parts.added.end() ? TokenKind::kNormal : added->second;
  }
  for (const int64_t id : {config.bos, config.eos, config.pad}) {
    TokenKind& kind = tokenizer.kinds[static_cast<size_t>(id)];
    if (kind == TokenKind::kUnused) {
      return InvalidArgument("'{}' has no token {}, which config.json names as bos, eos or pad",
                             parts.vocabulary_file, id);
    }
    kind = TokenKind::kControl;
  }
  // Rows of the embedding that no text gives.
  for (size_t i = 0; i < tokenizer.tokens.size(); ++i) {
    if (tokenizer.kinds[i] != TokenKind::kUnused) continue;
    tokenizer.tokens[i] = fmt::format("[PAD{}]", i);
    while (parts.ids.contains(tokenizer.tokens[i])) tokenizer.tokens[i] += "_";
  }
  tokenizer.merges = std::move(parts.merges);
  return tokenizer;
}

}  // namespace

absl::StatusOr<Gpt2Tokenizer> ReadGpt2Tokenizer(const fs::path& folder, const OptConfig& config) {
  Parts parts;
  bool add_bos = true;
  RETURN_IF_ERROR(ReadBase(folder, parts));
  RETURN_IF_ERROR(ReadAdded(folder, parts));
  RETURN_IF_ERROR(ReadTokenizerConfig(folder, parts, add_bos));
  RETURN_IF_ERROR(ReadMap(folder, parts));
  RETURN_IF_ERROR(CheckMerges(parts));
  return Arrange(std::move(parts), config, add_bos);
}

}  // namespace dilemma
