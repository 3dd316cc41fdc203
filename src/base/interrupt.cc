#include "base/interrupt.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>

namespace dilemma {
namespace {

std::atomic<bool> interrupted{false}, deferred{false};
std::array<int, 2> wake_pipe = {-1, -1};

void OnSignal(int signal) {
  if (interrupted.exchange(true)) _exit(128 + signal);
  if (wake_pipe[1] >= 0) {
    const char byte = 1;
    [[maybe_unused]] const auto written = write(wake_pipe[1], &byte, 1);
  }
}

}  // namespace

void CatchInterrupts() {
  if (wake_pipe[0] < 0 && pipe(wake_pipe.data()) != 0) wake_pipe = {-1, -1};
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool Interrupted() {
  return interrupted.load(std::memory_order_relaxed) && !deferred.load(std::memory_order_relaxed);
}

void DeferInterrupts(bool yes) { deferred = yes; }

void RequestInterrupt() {
  if (interrupted.exchange(true) || wake_pipe[1] < 0) return;
  const char byte = 1;
  [[maybe_unused]] const auto written = write(wake_pipe[1], &byte, 1);
}

absl::Status InterruptedStatus() { return absl::CancelledError("interrupted"); }

void WaitForInterrupt() {
  while (!interrupted) {
    pollfd wait = {wake_pipe[0], POLLIN, 0};
    poll(&wait, wake_pipe[0] >= 0 ? 1 : 0, 200);
  }
}

}  // namespace dilemma
