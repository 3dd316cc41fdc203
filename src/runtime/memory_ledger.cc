#include "runtime/memory_ledger.h"

#include "base/status.h"
#include "base/units.h"

namespace dilemma {

int64_t MemoryLedger::FreeBytes() const {
  const std::lock_guard lock(mutex_);
  return limit_bytes_ - taken_bytes_;
}

MemoryClaim::~MemoryClaim() {
  const std::lock_guard lock(ledger_->mutex_);
  ledger_->taken_bytes_ -= bytes_;
}

absl::Status MemoryClaim::Set(int64_t bytes, const std::string& what, const std::string& parts) {
  const std::lock_guard lock(ledger_->mutex_);
  const int64_t room = ledger_->limit_bytes_ - ledger_->taken_bytes_ + bytes_;
  if (bytes < 0 || bytes > room) {
    return absl::ResourceExhaustedError(
        fmt::format("{} takes {} ({}), and {} of the {} that this node has for stages are free", what,
                    FormatBytes(bytes), parts, FormatBytes(room), FormatBytes(ledger_->limit_bytes_)));
  }
  ledger_->taken_bytes_ += bytes - bytes_;
  bytes_ = bytes;
  return absl::OkStatus();
}

}  // namespace dilemma
