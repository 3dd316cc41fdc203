// Files: whole reads, atomic writes (beside, then rename), hashes. Safe from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dilemma {

absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path);

// Writes `<path>.part-<pid>` and renames it: a reader sees the old file or the whole new one. A failure (a
// full disk, say) leaves no file behind.
absl::Status WriteFileAtomically(const std::filesystem::path& path, std::string_view contents);

// A name beside `path` for a file that is being written.
std::filesystem::path PartName(const std::filesystem::path& path);
// Renames a finished part to its final name.
absl::Status Publish(const std::filesystem::path& part, const std::filesystem::path& path);

// SHA-256 in lower-case hexadecimal (64 characters).
std::string Sha256(std::string_view bytes);
absl::StatusOr<std::string> Sha256OfFile(const std::filesystem::path& path);

// Where caches go: $DILEMMA_CACHE, else $XDG_CACHE_HOME/dilemma, else ~/.cache/dilemma.
std::filesystem::path CacheDir();

// A fresh folder under $TMPDIR, removed with all it holds when the object goes. Movable, not copyable.
class TempDir {
 public:
  static absl::StatusOr<TempDir> Create(std::string_view prefix);
  ~TempDir();
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TempDir(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace dilemma
