#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace dilemma {

void ParallelFor(int64_t count, const std::function<void(int64_t, int64_t)>& body, int threads) {
  const int64_t cores = threads > 0 ? threads : std::max(1U, std::thread::hardware_concurrency());
  const int64_t workers = std::min(cores, count);
  if (workers <= 1) {
    if (count > 0) body(0, count);
    return;
  }
  const int64_t step = std::max<int64_t>(1, count / (workers * 8));
  std::atomic<int64_t> next = 0;
  const auto work = [&] {
    for (int64_t first = next.fetch_add(step); first < count; first = next.fetch_add(step)) {
      body(first, std::min(count, first + step));
    }
  };
  std::vector<std::jthread> pool;
  for (int64_t i = 1; i < workers; ++i) pool.emplace_back(work);
  work();
}

}  // namespace dilemma
