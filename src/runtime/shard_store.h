// The shards that a node keeps: "<sha256>.gguf" in one folder. Content-addressed, so a shard that is there
// need never be sent again; checked against its hash when it arrives and again before it is first opened.
//
// Where a new shard needs the room, those that were not used for longest go. Two kinds stay: shards in use,
// and shards that a coordinator asked for or sent and has not opened yet, for a while.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dilemma {

class ShardUpload;
class ShardStore;

// A shard that is in use, and stays for as long as the object is there.
class ShardInUse {
 public:
  ShardInUse(ShardStore* store, std::string sha256) : store_(store), sha256_(std::move(sha256)) {}
  ~ShardInUse();
  ShardInUse(const ShardInUse&) = delete;
  ShardInUse& operator=(const ShardInUse&) = delete;
  std::filesystem::path path() const;

 private:
  ShardStore* const store_;
  const std::string sha256_;
};

// Thread-safe. Outlives its uploads.
class ShardStore {
 public:
  struct Entry {
    std::string sha256;
    int64_t bytes = 0;
  };

  // `limit_bytes` 0: as much as the disk has. `wanted_for`: how long a shard that was asked for or sent waits
  // to be opened before it may go.
  static absl::StatusOr<std::unique_ptr<ShardStore>> Open(
      const std::filesystem::path& folder, int64_t limit_bytes,
      std::chrono::seconds wanted_for = std::chrono::minutes(10));

  std::vector<Entry> List() const;  // complete shards, by hash
  int64_t FreeBytes() const;        // that further shards may take without another one going

  bool Has(const std::string& sha256) const;
  // As Has; one that is there will be wanted soon.
  bool Want(const std::string& sha256);
  int64_t ReceivedBytes(const std::string& sha256) const;  // of an upload that was broken off
  // The file of a shard whose contents were checked; NotFound, or kDataLoss (and the file is removed).
  absl::StatusOr<std::unique_ptr<ShardInUse>> Find(const std::string& sha256);
  // kFailedPrecondition for a shard in use.
  absl::Status Drop(const std::string& sha256);

  // Makes room by letting go of others. kResourceExhausted where that is not enough (then none goes),
  // kAborted while another upload of the shard is going on, kOutOfRange for an offset beyond what is there.
  absl::StatusOr<std::unique_ptr<ShardUpload>> Receive(const std::string& sha256, int64_t bytes,
                                                       int64_t offset);

  // A name in the folder for a file of its own (probes); the caller removes it.
  std::filesystem::path Scratch(std::string_view name) const;

 private:
  friend class ShardUpload;
  friend class ShardInUse;
  using Clock = std::chrono::steady_clock;
  ShardStore(std::filesystem::path folder, int64_t limit_bytes, std::chrono::seconds wanted_for)
      : folder_(std::move(folder)), limit_bytes_(limit_bytes), wanted_for_(wanted_for) {}
  std::filesystem::path PathOf(const std::string& sha256) const { return folder_ / (sha256 + ".gguf"); }
  std::filesystem::path PartOf(const std::string& sha256) const { return folder_ / (sha256 + ".part"); }
  int64_t StoredBytes() const;  // parts included
  // mutex_ is held for these.
  int64_t ExpectedBytes() const;  // that uploads under way will still bring
  void MarkWanted(const std::string& sha256);
  bool MayGo(const std::filesystem::path& file) const;
  absl::Status MakeRoom(const std::string& for_sha256, int64_t missing_bytes);

  const std::filesystem::path folder_;
  const int64_t limit_bytes_;
  const std::chrono::seconds wanted_for_;
  mutable std::mutex mutex_;
  std::map<std::string, int64_t> uploading_;  // guarded by mutex_; whole size of each
  std::set<std::string> checked_;      // guarded by mutex_; whose contents were compared with their hash
  std::map<std::string, int> in_use_;  // guarded by mutex_
  std::map<std::string, Clock::time_point> wanted_;  // guarded by mutex_; until when
};

// One upload. What came stays when the object goes before Finish, so that the sender can go on from there.
class ShardUpload {
 public:
  ~ShardUpload();
  absl::Status Add(std::string_view data);
  // Checks size and hash, and publishes the file. A wrong hash removes it (kDataLoss).
  absl::Status Finish();

 private:
  friend class ShardStore;
  ShardUpload(ShardStore* store, std::string sha256, int64_t bytes, int64_t offset)
      : store_(store), sha256_(std::move(sha256)), bytes_(bytes), received_(offset) {}

  ShardStore* const store_;
  const std::string sha256_;
  const int64_t bytes_;
  int64_t received_;
  std::ofstream out_;
};

// 64 lower-case hexadecimal digits.
absl::Status CheckSha256(std::string_view sha256);

}  // namespace dilemma
