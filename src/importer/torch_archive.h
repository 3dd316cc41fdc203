// Reads pytorch_model.bin: a zip archive with a pickle that describes the tensors and one entry of raw data
// per storage. Nothing in the pickle is run (pickle.h).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "importer/source_tensor.h"

struct zip;  // libzip's

namespace dilemma {

// One thread at a time.
class TorchArchive {
 public:
  // kInvalidArgument, naming file and tensor, for a file that is no such archive (an old torch.save, say), is
  // cut off, or holds tensors that are not F32, F16 or BF16 in rows.
  static absl::StatusOr<TorchArchive> Open(const std::filesystem::path& path);

  const std::vector<SourceTensor>& tensors() const { return tensors_; }
  // The bytes of one of them. The entry's checksum is verified.
  absl::StatusOr<std::string> Read(const SourceTensor& tensor) const;

 private:
  struct Close {
    void operator()(zip* archive) const;
  };
  absl::StatusOr<std::string> ReadEntry(const std::string& name, int64_t max_bytes) const;
  absl::StatusOr<std::string> FindRoot() const;
  absl::Status ListTensors(const std::string& root);
  absl::Status Error(std::string_view message) const;

  std::filesystem::path path_;
  std::unique_ptr<zip, Close> archive_;
  std::vector<SourceTensor> tensors_;
};

}  // namespace dilemma
