#include "runtime/stream_watch.h"

namespace dilemma {
namespace {

constexpr auto kTick = std::chrono::milliseconds(500);  // how late a call may be ended

}  // namespace

StreamWatch::StreamWatch() : thread_([this] { Loop(); }) {}

StreamWatch::~StreamWatch() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void StreamWatch::Loop() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    if (watched_.empty()) {
      changed_.wait(lock, [this] { return closing_ || !watched_.empty(); });
    } else {
      changed_.wait_for(lock, kTick);
    }
    const auto now = Clock::now();
    for (const auto& [id, watched] : watched_) {
      if (watched.end < now) watched.context->TryCancel();
    }
  }
}

StreamWatch::Patience::Patience(StreamWatch* watch, grpc::ServerContext* context, double seconds)
    : watch_(watch), limit_(seconds) {
  const std::lock_guard lock(watch_->mutex_);
  id_ = watch_->next_id_++;
  watch_->watched_[id_] = {context, Clock::now() + std::chrono::duration_cast<Clock::duration>(limit_)};
  watch_->changed_.notify_all();
}

StreamWatch::Patience::~Patience() { End(); }

void StreamWatch::Patience::Renew() {
  const std::lock_guard lock(watch_->mutex_);
  const auto it = watch_->watched_.find(id_);
  if (it == watch_->watched_.end()) return;
  it->second.end = Clock::now() + std::chrono::duration_cast<Clock::duration>(limit_);
}

void StreamWatch::Patience::End() {
  const std::lock_guard lock(watch_->mutex_);
  watch_->watched_.erase(id_);
}

}  // namespace dilemma
