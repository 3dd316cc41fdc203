// Work spread over the machine's cores. Safe from any thread.
#pragma once

#include <cstdint>
#include <functional>

namespace dilemma {

// Calls body(first, last) for ranges that cover [0, count), on at most `threads` threads (0: all cores), and
// returns when all are done. The ranges are handed out as threads become free, so `body` must not depend on
// them.
void ParallelFor(int64_t count, const std::function<void(int64_t first, int64_t last)>& body,
                 int threads = 0);

}  // namespace dilemma
