// Child processes that do not outlive this one.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "simulator/socket.h"

namespace dilemma {

struct ChildProcess {
  pid_t pid = 0;
  Fd output;  // what it writes to standard output
};

// Starts children from one thread of its own, because a child's parent-death signal is bound to the thread
// that started it. Outlives the children. Thread-safe.
class ChildStarter {
 public:
  ChildStarter();
  ~ChildStarter();
  // Standard error goes to the end of `log`. The child is the head of a process group of its own, so that
  // Ctrl-C at a terminal reaches only this process, which ends its children in order.
  absl::StatusOr<ChildProcess> Start(const std::vector<std::string>& command,
                                     const std::filesystem::path& log);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool stop_ = false;
  std::thread thread_;
};

// The first line of a child's output, without its end; kUnavailable when it ends before, kDeadlineExceeded,
// kCancelled on Ctrl-C.
absl::StatusOr<std::string> ReadLine(const Fd& output, double timeout_s);

// SIGTERM, and SIGKILL for those that are still there after the time. Reaps them.
void EndChildren(const std::vector<pid_t>& pids, double patience_s);

}  // namespace dilemma
