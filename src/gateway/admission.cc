#include "gateway/admission.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <tuple>

#include "base/status.h"

namespace dilemma {
namespace {

constexpr auto kTick = std::chrono::milliseconds(50);
constexpr double kNewest = 0.2;  // weight of the newest request in the mean
constexpr int kLongestRetryS = 60;

}  // namespace

absl::StatusOr<std::shared_ptr<Admission::Ticket>> Admission::Enter(
    const std::string& client, const std::function<bool()>& still_wanted) {
  std::unique_lock lock(mutex_);
  if (closed_) return Unavailable("the server is about to stop");
  if (running_ >= options_.slots && waiting_ >= options_.max_waiting) {
    return absl::ResourceExhaustedError(
        fmt::format("{} requests run and {} wait already: try again later", running_, waiting_));
  }
  const auto place = waiters_.insert(waiters_.end(), {client, false});
  ++clients_[client].waiting;
  ++waiting_;
  Grant();
  absl::Status status;
  while (!place->granted && status.ok()) {
    changed_.wait_for(lock, kTick, [&] { return place->granted || closed_; });
    if (place->granted) break;
    if (closed_) status = Unavailable("the server is about to stop");
    lock.unlock();
    if (status.ok() && still_wanted && !still_wanted()) status = absl::CancelledError("the client left");
    lock.lock();
  }
  const bool granted = place->granted;
  waiters_.erase(place);
  if (!granted) {
    --clients_[client].waiting;
    --waiting_;
    Forget(client);
    return status;
  }
  lock.unlock();
  return std::make_shared<Ticket>(this, client);
}

Admission::Waiters::iterator Admission::Next() {
  auto best = waiters_.end();
  const auto rank = [this](const Waiter& waiter) {
    const Client& client = clients_.at(waiter.client);
    return std::tuple(client.running, client.served);
  };
  for (auto it = waiters_.begin(); it != waiters_.end(); ++it) {
    if (!it->granted && (best == waiters_.end() || rank(*it) < rank(*best))) best = it;
  }
  return best;
}

void Admission::Grant() {
  while (running_ < options_.slots && !closed_) {
    const auto next = Next();
    if (next == waiters_.end()) return;
    next->granted = true;
    Client& client = clients_.at(next->client);
    ++client.running;
    --client.waiting;
    client.served = ++turns_;
    client.since_start.emplace_back();
    ++running_;
    --waiting_;
    changed_.notify_all();
  }
}

void Admission::Leave(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Client& client = clients_.at(name);
  mean_s_ += kNewest * (client.since_start.front().Seconds() - mean_s_);
  client.since_start.pop_front();
  --client.running;
  --running_;
  Forget(name);
  Grant();
}

void Admission::Forget(const std::string& name) {
  const auto it = clients_.find(name);
  if (it->second.running == 0 && it->second.waiting == 0) clients_.erase(it);
}

void Admission::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

int Admission::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

int Admission::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

int Admission::RetryAfterSeconds() const {
  const std::lock_guard lock(mutex_);
  const double turns = static_cast<double>(waiting_ + 1) / std::max(1, options_.slots);
  return std::clamp(static_cast<int>(std::ceil(turns * mean_s_)), 1, kLongestRetryS);
}

}  // namespace dilemma
