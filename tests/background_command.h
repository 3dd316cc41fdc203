// The program left running in the background, for tests that interrupt it: its outputs while it runs, signals
// to it alone or, as a terminal's Ctrl-C, to its whole process group, and what it left behind.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/command_runner.h"

namespace dilemma::testing {

class BackgroundCommand {
 public:
  // `arguments` as one would type them after "dilemma", one word each. Temporary files go to temporary().
  explicit BackgroundCommand(const std::vector<std::string>& arguments) {
    std::filesystem::create_directories(temporary());
    pid_ = fork();
    if (pid_ == 0) Become(arguments);
    setpgid(pid_, pid_);
  }
  ~BackgroundCommand() {
    kill(-pid_, SIGKILL);
    if (!ended_) waitpid(pid_, nullptr, 0);
  }
  BackgroundCommand(const BackgroundCommand&) = delete;

  std::string Out() const { return Slurp(dir_.path() / "out"); }
  std::string Err() const { return Slurp(dir_.path() / "err"); }
  std::filesystem::path temporary() const { return dir_.path() / "tmp"; }

  // Waits until either output has `text`; false where the command ends before or a minute passes.
  bool WaitFor(const std::string& text) {
    for (int i = 0; i < 6000; ++i) {
      if ((Out() + Err()).find(text) != std::string::npos) return true;
      if (Ended()) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  void Signal(int signal, bool whole_group) { kill(whole_group ? -pid_ : pid_, signal); }

  // The exit code, 128 + n after signal n, or -1 where it still runs after a minute.
  int Wait() {
    for (int i = 0; i < 6000 && !Ended(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (!ended_) return -1;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }

  // Processes that inherited this command's environment and still run.
  std::vector<int> Survivors() const {
    std::vector<int> pids;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      if (Slurp(entry.path() / "environ").find("TMPDIR=" + temporary().string()) != std::string::npos)
        pids.push_back(std::stoi(name));
    }
    return pids;
  }

 private:
  [[noreturn]] void Become(const std::vector<std::string>& arguments) const {
    setpgid(0, 0);
    setenv("TMPDIR", temporary().c_str(), 1);
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(open((dir_.path() / "out").c_str(), O_WRONLY | O_CREAT, 0600), 1);
    dup2(open((dir_.path() / "err").c_str(), O_WRONLY | O_CREAT, 0600), 2);
    std::vector<char*> argv = {const_cast<char*>(DILEMMA_BINARY)};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(DILEMMA_BINARY, argv.data());
    _exit(127);
  }

  bool Ended() {
    if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
    return ended_;
  }

  TempDir dir_ = *TempDir::Create("dilemma-background");
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
};

}  // namespace dilemma::testing
