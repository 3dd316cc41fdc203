#include "runtime/machine.h"

#include <malloc.h>
#include <sched.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/file.h"
#include "base/status.h"

namespace dilemma {
namespace {

constexpr int kLargeBlockBytes = 512 << 10, kArenas = 4;
constexpr int64_t kSpinNanos = 60'000;  // clock_nanosleep comes back this late at times

// "max" and unreadable files are no limit.
int64_t LimitInFile(const char* path) {
  int64_t value = 0;
  const auto text = ReadFile(path);
  if (!text.ok() || !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &value) || value <= 0) {
    return std::numeric_limits<int64_t>::max();
  }
  return value;
}

}  // namespace

int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string BootId() {
  const auto text = ReadFile("/proc/sys/kernel/random/boot_id");
  return text.ok() ? std::string(View(absl::StripAsciiWhitespace(*text))) : std::string();
}

int AvailableCores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
}

int64_t MemoryLimitBytes() {
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  return std::min({machine, LimitInFile("/sys/fs/cgroup/memory.max"),
                   LimitInFile("/sys/fs/cgroup/memory/memory.limit_in_bytes")});
}

int64_t ResidentBytes() {
  const auto text = ReadFile("/proc/self/statm");
  if (!text.ok()) return 0;
  const size_t space = text->find(' ');
  if (space == std::string::npos) return 0;
  return std::strtoll(text->c_str() + space, nullptr, 10) * sysconf(_SC_PAGESIZE);
}

int64_t FreeDiskBytes(const std::filesystem::path& folder) {
  struct statvfs stats;
  if (statvfs(folder.c_str(), &stats) != 0) return 0;
  return static_cast<int64_t>(stats.f_bavail) * static_cast<int64_t>(stats.f_frsize);
}

void ReturnFreedMemory() {
  // Setting the threshold also ends its growth, by which large blocks would come from arenas and stay there.
  mallopt(M_MMAP_THRESHOLD, kLargeBlockBytes);
  mallopt(M_TRIM_THRESHOLD, kLargeBlockBytes);
  mallopt(M_ARENA_MAX, kArenas);
}

void ReleaseFreeMemory() {
  // Sanitizers allocate by themselves: glibc's heap is not set up, and two threads would do that at once.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  malloc_trim(0);
#endif
}

void WaitUntilNanos(int64_t monotonic_ns) {
  const int64_t sleep_until = monotonic_ns - kSpinNanos;
  if (sleep_until > MonotonicNanos()) {
    const timespec at = {sleep_until / 1'000'000'000, sleep_until % 1'000'000'000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) != 0) {
    }
  }
  while (MonotonicNanos() < monotonic_ns) {
  }
}

int64_t StretchSince(int64_t start_ns, double slowdown) {
  const int64_t now = MonotonicNanos();
  if (slowdown <= 1) return now;
  WaitUntilNanos(start_ns + static_cast<int64_t>(static_cast<double>(now - start_ns) * slowdown));
  return MonotonicNanos();
}

}  // namespace dilemma
