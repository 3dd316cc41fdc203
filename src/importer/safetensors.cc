#include "importer/safetensors.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/json.h"
#include "base/status.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPrefixBytes = 8;
constexpr int64_t kMaxHeaderBytes = int64_t{1} << 20;  // ten times what the largest OPT takes

absl::StatusOr<std::string> ReadHeaderText(const fs::path& path, int64_t file_bytes) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return FailedPrecondition("cannot open '{}': {}", path.string(), std::strerror(errno));
  uint64_t length = 0;
  in.read(reinterpret_cast<char*>(&length), kPrefixBytes);
  if (in.gcount() != kPrefixBytes) {
    return InvalidArgument("'{}' has {} bytes, which is no safetensors file; download it again",
                           path.string(), file_bytes);
  }
  if (length == 0 || length > static_cast<uint64_t>(kMaxHeaderBytes)) {
    return InvalidArgument("'{}' is not a safetensors file: its header would have {} bytes", path.string(),
                           length);
  }
  if (static_cast<int64_t>(length) > file_bytes - kPrefixBytes) {
    return InvalidArgument("'{}' is incomplete: its header has {} bytes, the file {}; download it again",
                           path.string(), length, file_bytes);
  }
  std::string text(length, '\0');
  in.read(text.data(), static_cast<std::streamsize>(length));
  if (in.gcount() != static_cast<std::streamsize>(length)) {
    return FailedPrecondition("cannot read the header of '{}'", path.string());
  }
  return text;
}

absl::StatusOr<SourceType> ParseType(const JsonField& tensor) {
  ASSIGN_OR_RETURN(const std::string name, tensor.String("dtype"));
  for (SourceType type : {SourceType::kF32, SourceType::kF16, SourceType::kBF16}) {
    if (name == Name(type)) return type;
  }
  return tensor.Error(fmt::format("dtype {} cannot be imported; F32, F16 and BF16 can", name));
}

absl::StatusOr<std::vector<int64_t>> ReadIntegers(const JsonField& tensor, std::string_view key) {
  ASSIGN_OR_RETURN(const auto items, tensor.Items(key));
  std::vector<int64_t> values;
  for (const JsonField& item : items) {
    ASSIGN_OR_RETURN(const int64_t value, item.Integer());
    values.push_back(value);
  }
  return values;
}

absl::StatusOr<SourceTensor> ReadTensor(const JsonField& field, std::string name) {
  SourceTensor tensor;
  tensor.name = std::move(name);
  ASSIGN_OR_RETURN(tensor.type, ParseType(field));
  ASSIGN_OR_RETURN(tensor.shape, ReadIntegers(field, "shape"));
  ASSIGN_OR_RETURN(const std::vector<int64_t> offsets, ReadIntegers(field, "data_offsets"));
  if (offsets.size() != 2 || offsets[0] < 0 || offsets[1] < offsets[0]) {
    return field.Error("data_offsets are not a start and an end");
  }
  tensor.offset = offsets[0];
  tensor.bytes = offsets[1] - offsets[0];
  const std::optional<int64_t> expected = TensorBytes(tensor.shape, tensor.type);
  if (!expected || *expected != tensor.bytes) {
    return field.Error(fmt::format("data_offsets span {} bytes, which is not what a tensor {} of {} takes",
                                   tensor.bytes, ShapeText(tensor.shape), Name(tensor.type)));
  }
  return tensor;
}

absl::Status CheckOverlap(std::vector<SourceTensor> tensors, const fs::path& path) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  });
  for (size_t i = 1; i < tensors.size(); ++i) {
    if (tensors[i].offset < tensors[i - 1].offset + tensors[i - 1].bytes) {
      return InvalidArgument("'{}' is damaged: the data of '{}' and '{}' overlap", path.string(),
                             tensors[i - 1].name, tensors[i].name);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<SourceTensor>> ReadSafetensorsHeader(const fs::path& path) {
  std::error_code error;
  const auto file_bytes = static_cast<int64_t>(fs::file_size(path, error));
  if (error) return NotFound("cannot read '{}': {}", path.string(), error.message());
  ASSIGN_OR_RETURN(const std::string text, ReadHeaderText(path, file_bytes));
  ASSIGN_OR_RETURN(const Json json, ParseJson(text, path.string()));
  if (!json.is_object()) return InvalidArgument("'{}': the header is not a JSON object", path.string());
  const int64_t start = kPrefixBytes + static_cast<int64_t>(text.size());
  std::vector<SourceTensor> tensors;
  for (const auto& [name, node] : json.items()) {
    if (name == "__metadata__") continue;
    ASSIGN_OR_RETURN(SourceTensor tensor,
                     ReadTensor({node, fmt::format("{}: {}", path.string(), name)}, name));
    if (tensor.offset > file_bytes - start || tensor.bytes > file_bytes - start - tensor.offset) {
      return InvalidArgument(
          "'{}' is incomplete: tensor '{}' ends at byte {}, the file at {}; download it again", path.string(),
          name, start + tensor.offset + tensor.bytes, file_bytes);
    }
    tensor.offset += start;
    tensors.push_back(std::move(tensor));
  }
  RETURN_IF_ERROR(CheckOverlap(tensors, path));
  return tensors;
}

}  // namespace dilemma
