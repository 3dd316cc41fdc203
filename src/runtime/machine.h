// What the machine (or the container) has: cores, memory, disk, clock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace dilemma {

int64_t MonotonicNanos();
// Equal on processes whose monotonic clocks can be compared: those of one boot of one machine.
std::string BootId();

int AvailableCores();        // that this process may run on
int64_t MemoryLimitBytes();  // the cgroup's limit or the machine's memory, whichever is less
int64_t ResidentBytes();     // of this process, now
int64_t FreeDiskBytes(const std::filesystem::path&);  // of the file system that holds the folder; 0 on error
// Has memory that is freed go back to the system by itself, so that the resident size stays what is in use.
// Without it glibc keeps tens of MiB of what large transfers took. For the whole process; any thread, any
// time.
void ReturnFreedMemory();
// Gives memory that was freed back to the system, so that ResidentBytes tells what is in use.
void ReleaseFreeMemory();

// Emulates a processor `slowdown` times slower: waits until that many times the time since `start_ns` has
// passed. Returns the time then.
int64_t StretchSince(int64_t start_ns, double slowdown);

// Returns at the given time: sleeps, then spins for the last microseconds.
void WaitUntilNanos(int64_t monotonic_ns);

}  // namespace dilemma
