#include "simulator/child_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <future>

#include "base/interrupt.h"
#include "base/status.h"

namespace dilemma {
namespace {

// Between fork and exec: nothing but system calls.
[[noreturn]] void BecomeChild(char* const* arguments, int output, int log, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // it died before the line above
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  close_range(3, ~0U, 0);
  execv(arguments[0], arguments);
  const char message[] = "cannot execute the program\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, message, sizeof(message) - 1);
  _exit(127);
}

absl::StatusOr<ChildProcess> StartNow(const std::vector<std::string>& command,
                                      const std::filesystem::path& log) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::array<int, 2> ends = {-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return Internal("pipe: {}", std::strerror(errno));
  ChildProcess child;
  child.output = Fd(ends[0]);
  const Fd input(ends[1]);
  const Fd log_file(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log_file.open())
    return FailedPrecondition("cannot write '{}': {}", log.string(), std::strerror(errno));
  const pid_t parent = getpid();
  child.pid = fork();
  if (child.pid < 0) return Internal("cannot start a process: {}", std::strerror(errno));
  if (child.pid == 0) BecomeChild(arguments.data(), input.get(), log_file.get(), parent);
  return child;
}

}  // namespace

ChildStarter::ChildStarter() : thread_([this] { Run(); }) {}

ChildStarter::~ChildStarter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void ChildStarter::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

absl::StatusOr<ChildProcess> ChildStarter::Start(const std::vector<std::string>& command,
                                                 const std::filesystem::path& log) {
  std::promise<absl::StatusOr<ChildProcess>> promise;
  auto future = promise.get_future();
  {
    const std::lock_guard lock(mutex_);
    tasks_.emplace_back([&] { promise.set_value(StartNow(command, log)); });
    changed_.notify_all();
  }
  return future.get();
}

absl::StatusOr<std::string> ReadLine(const Fd& output, double timeout_s) {
  const int64_t end_ns = LoopNanos() + static_cast<int64_t>(timeout_s * 1e9);
  std::string line;
  while (true) {
    const int64_t left_ns = end_ns - LoopNanos();
    if (left_ns <= 0) {
      return absl::DeadlineExceededError(fmt::format("it said nothing within {:.0f} s", timeout_s));
    }
    if (Interrupted()) return InterruptedStatus();
    pollfd wait = {output.get(), POLLIN, 0};
    if (poll(&wait, 1, static_cast<int>(std::min<int64_t>(left_ns / 1'000'000, 100)) + 1) <= 0) continue;
    char letter = 0;
    const ssize_t count = read(output.get(), &letter, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Unavailable("it ended");
    if (letter == '\n') return line;
    line.push_back(letter);
  }
}

void EndChildren(const std::vector<pid_t>& pids, double patience_s) {
  std::vector<pid_t> left = pids;
  for (const pid_t pid : left) {
    kill(pid, SIGTERM);
    kill(pid, SIGCONT);
  }
  const int64_t end_ns = LoopNanos() + static_cast<int64_t>(patience_s * 1e9);
  while (!left.empty()) {
    std::erase_if(left, [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
    if (left.empty()) return;
    if (LoopNanos() > end_ns) break;
    usleep(5000);
  }
  for (const pid_t pid : left) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
}

}  // namespace dilemma
