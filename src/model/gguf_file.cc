#include "model/gguf_file.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <fstream>
#include <set>
#include <string_view>

#include "absl/strings/ascii.h"
#include "base/log.h"
#include "base/status.h"
#include "ggml.h"
#include "gguf.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxAlignment = 1 << 20;

absl::Status CheckMagic(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return NotFound("there is no file '{}'", path.string());
  if (fs::is_directory(path, error)) {
    return InvalidArgument("'{}' is a folder; name a GGUF file", path.string());
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return FailedPrecondition("cannot open '{}': {}", path.string(), std::strerror(errno));
  char magic[4] = {};
  in.read(magic, sizeof(magic));
  if (in.gcount() == 0) return InvalidArgument("'{}' is empty; a GGUF model file is needed", path.string());
  if (in.gcount() != sizeof(magic) || std::memcmp(magic, GGUF_MAGIC, sizeof(magic)) != 0) {
    return InvalidArgument(
        "'{}' is not a GGUF file; convert the model with llama.cpp's convert_hf_to_gguf.py", path.string());
  }
  return absl::OkStatus();
}

TensorInfo ReadTensorInfo(const gguf_context* context, int64_t index) {
  TensorInfo tensor;
  tensor.name = gguf_get_tensor_name(context, index);
  std::copy_n(gguf_get_tensor_ne(context, index), tensor.shape.size(), tensor.shape.begin());
  tensor.type = {static_cast<int>(gguf_get_tensor_type(context, index))};
  tensor.offset =
      static_cast<int64_t>(gguf_get_data_offset(context) + gguf_get_tensor_offset(context, index));
  tensor.bytes = static_cast<int64_t>(gguf_get_tensor_size(context, index));
  return tensor;
}

template <typename NameOf>
absl::Status CheckNames(std::string_view what, int64_t count, const NameOf& name_of) {
  std::set<std::string_view> names;
  for (int64_t i = 0; i < count; ++i) {
    const std::string_view name = name_of(i);
    if (name.empty()) return InvalidArgument("damaged: a {} without a name", what);
    if (!names.insert(name).second) return InvalidArgument("damaged: the {} {} is there twice", what, name);
  }
  return absl::OkStatus();
}

void LogLine(ggml_log_level level, const char* text, void*) {
  const std::string_view line = View(absl::StripAsciiWhitespace(text));
  if (!line.empty() && level != GGML_LOG_LEVEL_CONT) spdlog::debug("ggml: {}", line);
}

// Once: libllama's log takes ggml's messages over where it is set up later.
void RouteGgmlLog() {
  static const bool routed = (ggml_log_set(LogLine, nullptr), true);
  (void)routed;
}

}  // namespace

void FreeGguf::operator()(gguf_context* context) const { gguf_free(context); }

absl::StatusOr<GgufHeader> ReadGgufHeader(const std::function<gguf_context*()>& read) {
  RouteGgmlLog();
  GgufHeader header;
  try {
    header.reset(read());
  } catch (const std::exception&) {  // sizes that no memory can hold
  }
  if (header == nullptr) return InvalidArgument("damaged or cut off");
  if (gguf_get_alignment(header.get()) > kMaxAlignment) {
    return InvalidArgument("damaged: an alignment of {} bytes", gguf_get_alignment(header.get()));
  }
  RETURN_IF_ERROR(CheckNames("key", gguf_get_n_kv(header.get()),
                             [&](int64_t i) { return gguf_get_key(header.get(), i); }));
  RETURN_IF_ERROR(CheckNames("tensor", gguf_get_n_tensors(header.get()),
                             [&](int64_t i) { return gguf_get_tensor_name(header.get(), i); }));
  return header;
}

absl::StatusOr<GgufFile> GgufFile::Open(const fs::path& path) {
  RETURN_IF_ERROR(CheckMagic(path));
  GgufFile file;
  file.path_ = path;
  std::error_code error;
  file.file_bytes_ = static_cast<int64_t>(fs::file_size(path, error));
  auto header = ReadGgufHeader(
      [&path] { return gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = nullptr}); });
  if (!header.ok()) {
    return file.Error(fmt::format("the GGUF header is {}; fetch the file again", Message(header.status())));
  }
  file.context_ = *std::move(header);
  for (int64_t i = 0; i < gguf_get_n_tensors(file.context()); ++i) {
    TensorInfo tensor = ReadTensorInfo(file.context(), i);
    if (tensor.elements() <= 0) return file.Error(fmt::format("tensor '{}' is empty", tensor.name));
    if (tensor.bytes > file.file_bytes_ || tensor.offset > file.file_bytes_ - tensor.bytes) {
      return file.Error(
          fmt::format("the file is cut off: it has {} bytes, and tensor '{}' ends at byte {}; "
                      "fetch it again",
                      file.file_bytes_, tensor.name, tensor.offset + tensor.bytes));
    }
    file.tensors_.push_back(std::move(tensor));
  }
  return file;
}

const TensorInfo* GgufFile::FindTensor(std::string_view name) const {
  auto found = std::find_if(tensors_.begin(), tensors_.end(), [&](const auto& t) { return t.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

std::optional<int64_t> GgufFile::Integer(const std::string& key) const {
  const int64_t id = gguf_find_key(context(), key.c_str());
  if (id < 0) return std::nullopt;
  switch (gguf_get_kv_type(context(), id)) {
    case GGUF_TYPE_UINT8:
      return gguf_get_val_u8(context(), id);
    case GGUF_TYPE_INT8:
      return gguf_get_val_i8(context(), id);
    case GGUF_TYPE_UINT16:
      return gguf_get_val_u16(context(), id);
    case GGUF_TYPE_INT16:
      return gguf_get_val_i16(context(), id);
    case GGUF_TYPE_UINT32:
      return gguf_get_val_u32(context(), id);
    case GGUF_TYPE_INT32:
      return gguf_get_val_i32(context(), id);
    case GGUF_TYPE_UINT64:
      return static_cast<int64_t>(gguf_get_val_u64(context(), id));
    case GGUF_TYPE_INT64:
      return gguf_get_val_i64(context(), id);
    default:
      return std::nullopt;
  }
}

std::optional<double> GgufFile::Number(const std::string& key) const {
  const int64_t id = gguf_find_key(context(), key.c_str());
  if (id < 0) return std::nullopt;
  if (gguf_get_kv_type(context(), id) == GGUF_TYPE_FLOAT32) return gguf_get_val_f32(context(), id);
  if (gguf_get_kv_type(context(), id) == GGUF_TYPE_FLOAT64) return gguf_get_val_f64(context(), id);
  const std::optional<int64_t> integer = Integer(key);
  return integer ? std::optional<double>(static_cast<double>(*integer)) : std::nullopt;
}

std::optional<std::string> GgufFile::String(const std::string& key) const {
  const int64_t id = gguf_find_key(context(), key.c_str());
  if (id < 0 || gguf_get_kv_type(context(), id) != GGUF_TYPE_STRING) return std::nullopt;
  return gguf_get_val_str(context(), id);
}

std::vector<std::string> GgufFile::Keys() const {
  std::vector<std::string> keys;
  for (int64_t i = 0; i < gguf_get_n_kv(context()); ++i) keys.emplace_back(gguf_get_key(context(), i));
  return keys;
}

absl::Status GgufFile::Error(std::string_view message) const {
  return InvalidArgument("'{}': {}", path_.string(), message);
}

}  // namespace dilemma
