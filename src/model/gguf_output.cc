#include "model/gguf_output.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "base/status.h"
#include "base/units.h"
#include "ggml.h"
#include "gguf.h"

namespace dilemma {

namespace fs = std::filesystem;

GgufOutput::GgufOutput()
    : gguf_(gguf_init_empty()),
      shapes_(ggml_init({.mem_size = 2 * ggml_tensor_overhead(), .mem_buffer = nullptr, .no_alloc = true})) {}

GgufOutput::GgufOutput(const gguf_context* source) : GgufOutput() {
  gguf_set_kv(gguf_, source);
  const int64_t id = gguf_find_key(gguf_, GGUF_KEY_GENERAL_ALIGNMENT);
  if (id >= 0) alignment_ = gguf_get_val_u32(gguf_, id);
}

GgufOutput::~GgufOutput() {
  gguf_free(gguf_);
  ggml_free(shapes_);
  if (!started_) return;
  out_.close();
  std::error_code ignored;
  fs::remove(part_, ignored);
}

void GgufOutput::RemoveKeys(std::string_view prefix) {
  std::vector<std::string> keys;
  for (int64_t i = 0; i < gguf_get_n_kv(gguf_); ++i) keys.emplace_back(gguf_get_key(gguf_, i));
  for (const std::string& key : keys) {
    if (key.starts_with(prefix)) gguf_remove_key(gguf_, key.c_str());
  }
}

void GgufOutput::SetInteger(const std::string& key, uint32_t value) {
  gguf_set_val_u32(gguf_, key.c_str(), value);
}

void GgufOutput::SetFloat(const std::string& key, float value) {
  gguf_set_val_f32(gguf_, key.c_str(), value);
}

void GgufOutput::SetBool(const std::string& key, bool value) { gguf_set_val_bool(gguf_, key.c_str(), value); }

void GgufOutput::SetStrings(const std::string& key, std::span<const std::string> values) {
  std::vector<const char*> texts;
  texts.reserve(values.size());
  for (const std::string& value : values) texts.push_back(value.c_str());
  gguf_set_arr_str(gguf_, key.c_str(), texts.data(), texts.size());
}

void GgufOutput::SetIntegers(const std::string& key, std::span<const int32_t> values) {
  gguf_set_arr_data(gguf_, key.c_str(), GGUF_TYPE_INT32, values.data(), values.size());
}

void GgufOutput::SetString(const std::string& key, const std::string& value) {
  gguf_set_val_str(gguf_, key.c_str(), value.c_str());
}

absl::Status GgufOutput::Declare(const TensorInfo& tensor, const std::string& name, TensorType type) {
  if (name.size() >= GGML_MAX_NAME) {
    return InvalidArgument("tensor name '{}' is longer than {} bytes", name, GGML_MAX_NAME - 1);
  }
  if (gguf_find_tensor(gguf_, name.c_str()) >= 0) return InvalidArgument("tensor {} is there twice", name);
  int dimensions = GGML_MAX_DIMS;
  while (dimensions > 1 && tensor.shape[static_cast<size_t>(dimensions) - 1] == 1) --dimensions;
  ggml_reset(shapes_);  // GGUF keeps a copy of the shape
  ggml_tensor* shape =
      ggml_new_tensor(shapes_, static_cast<ggml_type>(type.ggml), dimensions, tensor.shape.data());
  ggml_set_name(shape, name.c_str());
  gguf_add_tensor(gguf_, shape);
  sizes_.push_back(static_cast<int64_t>(ggml_nbytes(shape)));
  return absl::OkStatus();
}

std::string GgufOutput::Header() const {
  std::string header(gguf_get_meta_size(gguf_), '\0');
  gguf_get_meta_data(gguf_, header.data());
  return header;
}

absl::Status GgufOutput::Start(const fs::path& path) {
  path_ = path;
  part_ = PartName(path);
  const std::string header = Header();
  int64_t bytes = static_cast<int64_t>(header.size());
  for (int64_t size : sizes_) bytes += static_cast<int64_t>(GGML_PAD(static_cast<size_t>(size), alignment_));
  std::error_code error;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const fs::space_info space = fs::space(folder, error);
  if (!error && space.available < static_cast<uintmax_t>(bytes)) {
    return absl::ResourceExhaustedError(
        fmt::format("'{}' needs {} and its disk has {} left; free some space or choose another folder",
                    path.string(), FormatBytes(bytes), FormatBytes(static_cast<int64_t>(space.available))));
  }
  errno = 0;
  out_.open(part_, std::ios::binary | std::ios::trunc);
  if (!out_) return WriteError();
  started_ = true;
  out_.write(header.data(), static_cast<std::streamsize>(header.size()));
  return out_ ? absl::OkStatus() : WriteError();
}

absl::Status GgufOutput::Append(std::string_view data) {
  if (next_ >= sizes_.size() || static_cast<int64_t>(data.size()) != sizes_[next_]) {
    return Internal("tensor {} of '{}' has {} bytes", next_, path_.string(), data.size());
  }
  ++next_;
  errno = 0;
  out_.write(data.data(), static_cast<std::streamsize>(data.size()));
  const std::string padding(GGML_PAD(data.size(), alignment_) - data.size(), '\0');
  out_.write(padding.data(), static_cast<std::streamsize>(padding.size()));
  return out_ ? absl::OkStatus() : WriteError();
}

absl::Status GgufOutput::Finish() {
  if (next_ != sizes_.size()) return Internal("'{}' lacks tensors", path_.string());
  errno = 0;
  out_.close();
  if (!out_) return WriteError();
  RETURN_IF_ERROR(Publish(part_, path_));
  started_ = false;
  return absl::OkStatus();
}

absl::Status GgufOutput::WriteError() const {
  const int error = errno;
  const std::string message = fmt::format("cannot write '{}': {}", path_.string(),
                                          error != 0 ? std::strerror(error) : "the write was cut short");
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) return absl::ResourceExhaustedError(message);
  return absl::FailedPreconditionError(message);
}

}  // namespace dilemma
