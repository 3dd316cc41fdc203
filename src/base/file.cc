#include "base/file.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>

#include "absl/strings/escaping.h"
#include "base/status.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

Digest StartSha256() {
  Digest context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  return context;
}

std::string Finish(const Digest& context) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), bytes.data(), &size);
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), size});
}

absl::Status FileError(const fs::path& path, std::string_view action) {
  const int error = errno;
  const std::string message = fmt::format("cannot {} '{}': {}", action, path.string(), std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(message);
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(message);
  return absl::FailedPreconditionError(message);
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return InvalidArgument("'{}' is a folder, not a file", path.string());
  std::ifstream in(path, std::ios::binary);
  if (!in) return FileError(path, "open");
  std::string contents((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) return FileError(path, "read");
  return contents;
}

fs::path PartName(const fs::path& path) {
  fs::path part = path;
  part += fmt::format(".part-{}", getpid());
  return part;
}

absl::Status Publish(const fs::path& part, const fs::path& path) {
  if (std::rename(part.c_str(), path.c_str()) != 0) {
    absl::Status status = FileError(path, "write");
    std::error_code ignored;
    fs::remove(part, ignored);
    return status;
  }
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const fs::path& path, std::string_view contents) {
  const fs::path part = PartName(path);
  errno = 0;
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  if (!out) return FileError(path, "write");
  out.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  out.close();
  if (!out) {
    absl::Status status = FileError(path, "write");
    std::error_code ignored;
    fs::remove(part, ignored);
    return status;
  }
  return Publish(part, path);
}

std::string Sha256(std::string_view bytes) {
  const Digest context = StartSha256();
  EVP_DigestUpdate(context.get(), bytes.data(), bytes.size());
  return Finish(context);
}

absl::StatusOr<std::string> Sha256OfFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return FileError(path, "open");
  const Digest context = StartSha256();
  std::string buffer(size_t{1} << 20, '\0');
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(in.gcount()));
  }
  if (in.bad()) return FileError(path, "read");
  return Finish(context);
}

fs::path CacheDir() {
  if (const char* dir = std::getenv("DILEMMA_CACHE")) return dir;
  if (const char* dir = std::getenv("XDG_CACHE_HOME")) return fs::path(dir) / "dilemma";
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : "/tmp") / ".cache" / "dilemma";
}

absl::StatusOr<TempDir> TempDir::Create(std::string_view prefix) {
  std::error_code error;
  fs::path base = fs::temp_directory_path(error);
  if (error) base = "/tmp";
  std::string name = (base / fmt::format("{}.XXXXXX", prefix)).string();
  if (mkdtemp(name.data()) == nullptr) return FileError(name, "create folder");
  return TempDir(name);
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace dilemma
