#include "importer/weight_files.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

#include "base/json.h"
#include "base/status.h"
#include "importer/safetensors.h"
#include "importer/torch_archive.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

std::string PlainName(std::string_view name) {
  return std::string(name.starts_with("model.") ? name.substr(std::string_view("model.").size()) : name);
}

class SafetensorsFiles : public WeightFiles {
 public:
  absl::Status AddPart(const fs::path& file) {
    ASSIGN_OR_RETURN(const auto tensors, ReadSafetensorsHeader(file));
    for (const SourceTensor& tensor : tensors) RETURN_IF_ERROR(Add(file, tensor));
    parts_.push_back(file);
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Read(const std::string& name) const override {
    const SourceTensor& tensor = tensors_.at(name);
    std::string bytes(static_cast<size_t>(tensor.bytes), '\0');
    errno = 0;
    std::ifstream in(FileOf(name), std::ios::binary);
    in.seekg(tensor.offset);
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!in) {
      return FailedPrecondition("cannot read tensor '{}' of '{}': {}", tensor.name, FileOf(name),
                                errno != 0 ? std::strerror(errno) : "the file has become shorter");
    }
    return bytes;
  }
};

class TorchFiles : public WeightFiles {
 public:
  absl::Status AddPart(const fs::path& file) {
    ASSIGN_OR_RETURN(TorchArchive archive, TorchArchive::Open(file));
    for (const SourceTensor& tensor : archive.tensors()) RETURN_IF_ERROR(Add(file, tensor));
    archives_.emplace(file.string(), std::move(archive));
    parts_.push_back(file);
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Read(const std::string& name) const override {
    return archives_.at(FileOf(name)).Read(tensors_.at(name));
  }

 private:
  std::map<std::string, TorchArchive> archives_;
};

// The files that an index names, checked to be there; its tensors are checked after they were opened.
absl::StatusOr<std::map<std::string, std::string>> ReadIndex(const fs::path& index) {
  ASSIGN_OR_RETURN(const Json json, ReadJson(index));
  ASSIGN_OR_RETURN(const JsonField map, JsonField(json, index.string()).At("weight_map"));
  if (!map.node().is_object()) return map.Error("expected an object");
  std::map<std::string, std::string> file_of;
  for (const auto& [tensor, node] : map.node().items()) {
    ASSIGN_OR_RETURN(const std::string file, JsonField(node, map.where() + "." + tensor).String());
    if (fs::path(file).filename() != fs::path(file)) {
      return map.Error(fmt::format("'{}' is not the name of a file in this folder", file));
    }
    std::error_code error;
    if (!fs::is_regular_file(index.parent_path() / file, error)) {
      return NotFound("'{}' names the file '{}', which is not there; download it too", index.string(), file);
    }
    file_of.emplace(tensor, file);
  }
  return file_of;
}

template <typename Files>
absl::StatusOr<std::unique_ptr<WeightFiles>> OpenIndexed(const fs::path& index) {
  ASSIGN_OR_RETURN(const auto file_of, ReadIndex(index));
  std::set<std::string> names;
  for (const auto& [tensor, file] : file_of) names.insert(file);
  auto files = std::make_unique<Files>();
  for (const std::string& name : names) RETURN_IF_ERROR(files->AddPart(index.parent_path() / name));
  for (const auto& [tensor, file] : file_of) {
    if (files->Find(PlainName(tensor)) == nullptr) {
      return InvalidArgument("'{}' says that '{}' has the tensor '{}', but it does not; download both again",
                             index.string(), file, tensor);
    }
  }
  return files;
}

template <typename Files>
absl::StatusOr<std::unique_ptr<WeightFiles>> OpenSingle(const fs::path& file) {
  auto files = std::make_unique<Files>();
  RETURN_IF_ERROR(files->AddPart(file));
  return files;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WeightFiles>> WeightFiles::Open(const fs::path& folder) {
  using Opener = absl::StatusOr<std::unique_ptr<WeightFiles>> (*)(const fs::path&);
  constexpr std::pair<const char*, Opener> kKnown[] = {
      {"model.safetensors", OpenSingle<SafetensorsFiles>},
      {"model.safetensors.index.json", OpenIndexed<SafetensorsFiles>},
      {"pytorch_model.bin", OpenSingle<TorchFiles>},
      {"pytorch_model.bin.index.json", OpenIndexed<TorchFiles>},
  };
  for (const auto& [name, open] : kKnown) {
    std::error_code error;
    if (fs::exists(folder / name, error)) return open(folder / name);
  }
  return NotFound(
      "'{}' has no weights: there is neither model.safetensors nor pytorch_model.bin, nor an index of parts "
      "(weights for TensorFlow or Flax cannot be imported)",
      folder.string());
}

const SourceTensor* WeightFiles::Find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

std::string WeightFiles::description() const {
  const std::string first = parts_.front().filename().string();
  return parts_.size() == 1 ? first : fmt::format("{} and {} more", first, parts_.size() - 1);
}

absl::Status WeightFiles::Add(const fs::path& file, const SourceTensor& tensor) {
  const std::string name = PlainName(tensor.name);
  if (!tensors_.emplace(name, tensor).second) {
    return InvalidArgument("'{}': tensor '{}' is there twice", file.string(), tensor.name);
  }
  files_.emplace(name, file.string());
  return absl::OkStatus();
}

}  // namespace dilemma
