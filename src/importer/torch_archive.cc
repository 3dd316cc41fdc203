#include "importer/torch_archive.h"

#include <zip.h>

#include <fstream>
#include <optional>

#include "base/status.h"
#include "importer/pickle.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPickleEntry = "/data.pkl";
constexpr int64_t kMaxPickleBytes = int64_t{1} << 25;
constexpr int64_t kMaxStorageBytes = int64_t{1} << 40;

struct CloseEntry {
  void operator()(zip_file* file) const { zip_fclose(file); }
};

std::optional<SourceType> ParseStorage(std::string_view dtype) {
  if (dtype == "FloatStorage") return SourceType::kF32;
  if (dtype == "HalfStorage") return SourceType::kF16;
  if (dtype == "BFloat16Storage") return SourceType::kBF16;
  return std::nullopt;
}

// Rows one after the other, as all saved parameters are.
bool IsContiguous(const PickledTensor& tensor) {
  int64_t step = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != step) return false;
    step *= tensor.shape[i];
  }
  return true;
}

bool StartsLikeZip(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  char magic[2] = {};
  in.read(magic, sizeof(magic));
  return magic[0] == 'P' && magic[1] == 'K';
}

}  // namespace

void TorchArchive::Close::operator()(zip* archive) const { zip_discard(archive); }

absl::Status TorchArchive::Error(std::string_view message) const {
  return InvalidArgument("'{}': {}", path_.string(), message);
}

absl::StatusOr<TorchArchive> TorchArchive::Open(const fs::path& path) {
  TorchArchive file;
  file.path_ = path;
  int code = 0;
  file.archive_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (file.archive_ == nullptr) {
    if (code == ZIP_ER_NOENT) return NotFound("there is no file '{}'", path.string());
    return file.Error(
        StartsLikeZip(path)
            ? "the archive is incomplete or damaged; download it again"
            : "this is no archive of PyTorch 1.6 or later; load and save it with such a version, "
              "best as safetensors: model.save_pretrained(DIR, safe_serialization=True)");
  }
  ASSIGN_OR_RETURN(const std::string root, file.FindRoot());
  RETURN_IF_ERROR(file.ListTensors(root));
  return file;
}

absl::StatusOr<std::string> TorchArchive::FindRoot() const {
  for (zip_int64_t i = 0; i < zip_get_num_entries(archive_.get(), 0); ++i) {
    const char* name = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
    if (name == nullptr) continue;
    const std::string_view text = name;
    if (text.ends_with(kPickleEntry)) return std::string(text.substr(0, text.size() - kPickleEntry.size()));
  }
  return Error("the archive has no data.pkl; it was not written by torch.save");
}

absl::Status TorchArchive::ListTensors(const std::string& root) {
  if (zip_name_locate(archive_.get(), (root + "/byteorder").c_str(), ZIP_FL_ENC_RAW) >= 0) {
    ASSIGN_OR_RETURN(const std::string order, ReadEntry(root + "/byteorder", 16));
    if (order != "little")
      return Error(fmt::format("its byte order is '{}'; only little can be read", order));
  }
  ASSIGN_OR_RETURN(const std::string pickle, ReadEntry(root + std::string(kPickleEntry), kMaxPickleBytes));
  ASSIGN_OR_RETURN(const std::vector<PickledTensor> pickled, ReadStateDict(pickle, path_.string()));
  for (const PickledTensor& from : pickled) {
    const std::optional<SourceType> type = ParseStorage(from.dtype);
    if (!type) {
      return Error(
          fmt::format("tensor '{}' is a {}; floats of 32 or 16 bits can be imported", from.name, from.dtype));
    }
    if (!IsContiguous(from)) {
      return Error(fmt::format("tensor '{}' does not lie in rows; save it as contiguous()", from.name));
    }
    const std::optional<int64_t> bytes = TensorBytes(from.shape, *type);
    const int64_t element = Bytes(*type);
    const int64_t storage = std::min(from.storage_size, kMaxStorageBytes);
    if (!bytes || from.offset > storage || *bytes > (storage - from.offset) * element) {
      return Error(fmt::format("tensor '{}' {} does not fit its storage of {} elements", from.name,
                               ShapeText(from.shape), from.storage_size));
    }
    tensors_.push_back({.name = from.name,
                        .shape = from.shape,
                        .type = *type,
                        .entry = fmt::format("{}/data/{}", root, from.storage),
                        .offset = from.offset * element,
                        .bytes = *bytes});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TorchArchive::Read(const SourceTensor& tensor) const {
  auto data = ReadEntry(tensor.entry, kMaxStorageBytes);
  if (!data.ok()) return Annotate(data.status(), fmt::format("tensor '{}'", tensor.name));
  const auto offset = static_cast<size_t>(tensor.offset), bytes = static_cast<size_t>(tensor.bytes);
  if (offset > data->size() || bytes > data->size() - offset) {
    return Error(fmt::format("tensor '{}' is incomplete: its entry {} has {} bytes; download the file again",
                             tensor.name, tensor.entry, data->size()));
  }
  if (bytes == data->size()) return data;
  return data->substr(offset, bytes);
}

absl::StatusOr<std::string> TorchArchive::ReadEntry(const std::string& name, int64_t max_bytes) const {
  zip_stat_t stat;
  if (zip_stat(archive_.get(), name.c_str(), ZIP_FL_ENC_RAW, &stat) != 0) {
    return Error(fmt::format("the archive has no entry '{}'; download it again", name));
  }
  if (stat.size > static_cast<zip_uint64_t>(max_bytes)) {
    return Error(fmt::format("entry '{}' has {} bytes, which is too much", name, stat.size));
  }
  const std::unique_ptr<zip_file, CloseEntry> entry(zip_fopen_index(archive_.get(), stat.index, 0));
  if (entry == nullptr) {
    return Error(fmt::format("entry '{}' cannot be read: {}", name, zip_strerror(archive_.get())));
  }
  // Grown as the data come: the size in the header may be a lie.
  std::string data;
  constexpr size_t kStep = size_t{1} << 22;
  while (data.size() <= stat.size) {
    const size_t had = data.size();
    data.resize(had + kStep);
    const zip_int64_t got = zip_fread(entry.get(), data.data() + had, kStep);
    if (got < 0) {
      return Error(fmt::format("entry '{}' is damaged ({}); download the file again", name,
                               zip_file_strerror(entry.get())));
    }
    data.resize(had + static_cast<size_t>(got));
    if (got == 0) break;
  }
  if (data.size() != stat.size) {
    return Error(
        fmt::format("entry '{}' has {} of {} bytes; download the file again", name, data.size(), stat.size));
  }
  return data;
}

}  // namespace dilemma
