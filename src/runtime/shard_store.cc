#include "runtime/shard_store.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/units.h"
#include "runtime/machine.h"

namespace dilemma {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxUploads = 64;

// The time that a file was last used, for which its time of last change is taken.
void Touch(const fs::path& path) {
  std::error_code ignored;
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
}

}  // namespace

ShardInUse::~ShardInUse() {
  const std::lock_guard lock(store_->mutex_);
  Touch(path());
  if (--store_->in_use_[sha256_] == 0) store_->in_use_.erase(sha256_);
}

fs::path ShardInUse::path() const { return store_->PathOf(sha256_); }

absl::Status CheckSha256(std::string_view sha256) {
  const bool good =
      sha256.size() == 64 && sha256.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  return good ? absl::OkStatus() : InvalidArgument("a shard's name must be 64 lower-case hexadecimal digits");
}

absl::StatusOr<std::unique_ptr<ShardStore>> ShardStore::Open(const fs::path& folder, int64_t limit_bytes,
                                                             std::chrono::seconds wanted_for) {
  if (folder.empty()) return InvalidArgument("the folder for shards is not given");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return FailedPrecondition("cannot make folder '{}': {}", folder.string(), error.message());
  const fs::path trial = folder / ".writable";
  absl::Status written = WriteFileAtomically(trial, "");
  if (!written.ok()) return Annotate(written, "the folder for shards");
  fs::remove(trial, error);
  return std::unique_ptr<ShardStore>(new ShardStore(folder, limit_bytes, wanted_for));
}

std::vector<ShardStore::Entry> ShardStore::List() const {
  std::vector<Entry> entries;
  std::error_code error;
  for (const fs::directory_entry& file : fs::directory_iterator(folder_, error)) {
    const std::string stem = file.path().stem().string();
    if (file.path().extension() != ".gguf" || !CheckSha256(stem).ok()) continue;
    const auto bytes = file.file_size(error);
    if (!error) entries.push_back({stem, static_cast<int64_t>(bytes)});
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.sha256 < b.sha256; });
  return entries;
}

int64_t ShardStore::StoredBytes() const {
  int64_t total = 0;
  std::error_code error;
  for (const fs::directory_entry& file : fs::directory_iterator(folder_, error)) {
    const auto bytes = file.file_size(error);
    if (!error) total += static_cast<int64_t>(bytes);
  }
  return total;
}

int64_t ShardStore::FreeBytes() const {
  const int64_t disk = FreeDiskBytes(folder_);
  if (limit_bytes_ == 0) return disk;
  return std::max<int64_t>(0, std::min(disk, limit_bytes_ - StoredBytes()));
}

int64_t ShardStore::ExpectedBytes() const {
  int64_t total = 0;
  for (const auto& [sha256, bytes] : uploading_) total += bytes - ReceivedBytes(sha256);
  return total;
}

bool ShardStore::Has(const std::string& sha256) const {
  std::error_code error;
  return CheckSha256(sha256).ok() && fs::is_regular_file(PathOf(sha256), error);
}

bool ShardStore::Want(const std::string& sha256) {
  const std::lock_guard lock(mutex_);
  if (!Has(sha256)) return false;
  MarkWanted(sha256);
  return true;
}

void ShardStore::MarkWanted(const std::string& sha256) {
  const auto now = Clock::now();
  std::erase_if(wanted_, [&](const auto& entry) { return entry.second < now; });
  wanted_[sha256] = now + wanted_for_;
}

int64_t ShardStore::ReceivedBytes(const std::string& sha256) const {
  if (!CheckSha256(sha256).ok()) return 0;
  std::error_code error;
  const auto bytes = fs::file_size(PartOf(sha256), error);
  return error ? 0 : static_cast<int64_t>(bytes);
}

absl::StatusOr<std::unique_ptr<ShardInUse>> ShardStore::Find(const std::string& sha256) {
  RETURN_IF_ERROR(CheckSha256(sha256));
  bool checked = false;
  std::unique_ptr<ShardInUse> found;
  {
    const std::lock_guard lock(mutex_);
    if (!Has(sha256)) return NotFound("shard {} is not on this node", sha256);
    ++in_use_[sha256];
    wanted_.erase(sha256);
    checked = checked_.contains(sha256);
  }
  found = std::make_unique<ShardInUse>(this, sha256);
  if (checked) return found;
  ASSIGN_OR_RETURN(const std::string actual, Sha256OfFile(found->path()));
  if (actual != sha256) {
    std::error_code ignored;
    fs::remove(found->path(), ignored);
    return absl::DataLossError(fmt::format(
        "shard {} was damaged on this node's disk (its hash is {}) and was removed: send it again", sha256,
        actual));
  }
  const std::lock_guard lock(mutex_);
  checked_.insert(sha256);
  return found;
}

absl::Status ShardStore::Drop(const std::string& sha256) {
  RETURN_IF_ERROR(CheckSha256(sha256));
  const std::lock_guard lock(mutex_);
  if (in_use_.contains(sha256)) return FailedPrecondition("shard {} is in use", sha256);
  std::error_code error;
  if (!fs::remove(PathOf(sha256), error)) return NotFound("shard {} is not on this node", sha256);
  checked_.erase(sha256);
  return absl::OkStatus();
}

// Whole shards, and what is left of uploads that were broken off.
bool ShardStore::MayGo(const fs::path& file) const {
  const std::string sha256 = file.stem().string();
  if (!CheckSha256(sha256).ok()) return false;
  if (file.extension() == ".part") return !uploading_.contains(sha256);
  if (file.extension() != ".gguf" || in_use_.contains(sha256)) return false;
  const auto wanted = wanted_.find(sha256);
  return wanted == wanted_.end() || wanted->second < Clock::now();
}

absl::Status ShardStore::MakeRoom(const std::string& for_sha256, int64_t missing_bytes) {
  struct Candidate {
    fs::file_time_type used;
    fs::path file;
    int64_t bytes = 0;
  };
  std::vector<Candidate> candidates;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
    if (!MayGo(entry.path()) || entry.path().stem() == for_sha256) continue;
    const auto bytes = entry.file_size(error);
    if (!error)
      candidates.push_back({entry.last_write_time(error), entry.path(), static_cast<int64_t>(bytes)});
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.used < b.used; });
  int64_t found = 0;
  size_t count = 0;
  for (; count < candidates.size() && found < missing_bytes; ++count) found += candidates[count].bytes;
  if (found < missing_bytes) {
    return absl::ResourceExhaustedError(fmt::format("{} more are needed, and shards of {} are not in use",
                                                    FormatBytes(missing_bytes), FormatBytes(found)));
  }
  for (size_t i = 0; i < count; ++i) {
    spdlog::info("letting go of {} ({}), which was not used for longest",
                 candidates[i].file.filename().string(), FormatBytes(candidates[i].bytes));
    fs::remove(candidates[i].file, error);
    checked_.erase(candidates[i].file.stem().string());
  }
  return absl::OkStatus();
}

fs::path ShardStore::Scratch(std::string_view name) const {
  return folder_ / fmt::format("{}.scratch", name);
}

absl::StatusOr<std::unique_ptr<ShardUpload>> ShardStore::Receive(const std::string& sha256, int64_t bytes,
                                                                 int64_t offset) {
  RETURN_IF_ERROR(CheckSha256(sha256));
  if (bytes <= 0) return InvalidArgument("a shard of {} bytes", bytes);
  const std::lock_guard lock(mutex_);
  if (uploading_.contains(sha256)) {
    return absl::AbortedError(fmt::format("shard {} is being sent to this node by someone else", sha256));
  }
  if (uploading_.size() >= kMaxUploads) return absl::ResourceExhaustedError("too many shards are coming in");
  const int64_t there = ReceivedBytes(sha256);
  if (offset < 0 || offset > there || offset > bytes) {
    return absl::OutOfRangeError(fmt::format("offset {} of an upload that has {} bytes here", offset, there));
  }
  const int64_t room = FreeBytes() - ExpectedBytes() + there;
  if (const absl::Status made = bytes > room ? MakeRoom(sha256, bytes - room) : absl::OkStatus();
      !made.ok()) {
    return absl::ResourceExhaustedError(fmt::format(
        "no room for a shard of {} on this node{}: {}", FormatBytes(bytes),
        limit_bytes_ > 0 ? fmt::format(" (limit {})", FormatBytes(limit_bytes_)) : "", Message(made)));
  }
  std::unique_ptr<ShardUpload> upload(new ShardUpload(this, sha256, bytes, offset));
  const fs::path part = PartOf(sha256);
  std::error_code error;
  if (there > offset) fs::resize_file(part, static_cast<uintmax_t>(offset), error);
  upload->out_.open(part, std::ios::binary | (offset > 0 ? std::ios::app : std::ios::trunc));
  if (error || !upload->out_) return FailedPrecondition("cannot write '{}'", part.string());
  uploading_[sha256] = bytes;
  return upload;
}

ShardUpload::~ShardUpload() {
  const std::lock_guard lock(store_->mutex_);
  store_->uploading_.erase(sha256_);
}

absl::Status ShardUpload::Add(std::string_view data) {
  if (received_ + static_cast<int64_t>(data.size()) > bytes_) {
    return InvalidArgument("more than the {} bytes that were announced", bytes_);
  }
  out_.write(data.data(), static_cast<std::streamsize>(data.size()));
  if (!out_) {
    return absl::ResourceExhaustedError(fmt::format("cannot write to the store: {}", std::strerror(errno)));
  }
  received_ += static_cast<int64_t>(data.size());
  return absl::OkStatus();
}

absl::Status ShardUpload::Finish() {
  out_.close();
  if (!out_)
    return absl::ResourceExhaustedError(fmt::format("cannot write to the store: {}", std::strerror(errno)));
  if (received_ != bytes_) return InvalidArgument("{} of {} bytes came", received_, bytes_);
  const fs::path part = store_->PartOf(sha256_);
  ASSIGN_OR_RETURN(const std::string actual, Sha256OfFile(part));
  if (actual != sha256_) {
    std::error_code ignored;
    fs::remove(part, ignored);
    return absl::DataLossError(
        fmt::format("what came has the hash {}, not {}: it was thrown away", actual, sha256_));
  }
  RETURN_IF_ERROR(Publish(part, store_->PathOf(sha256_)));
  const std::lock_guard lock(store_->mutex_);
  store_->checked_.insert(sha256_);
  store_->MarkWanted(sha256_);
  return absl::OkStatus();
}

}  // namespace dilemma
