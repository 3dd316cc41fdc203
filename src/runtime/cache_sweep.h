// Memory that stands in for what others use while a stage waits.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace dilemma {

// Touching it pushes a stage out of the caches. In huge pages, as the weights of other servers would be:
// looking small ones up takes longer than reading them. One thread at a time.
class CacheSweep {
 public:
  // Does nothing where there is no such memory.
  explicit CacheSweep(int64_t bytes) {
    const size_t whole = (static_cast<size_t>(bytes) + kHugePage - 1) / kHugePage * kHugePage;
    if (whole == 0) return;
    memory_.reset(static_cast<char*>(std::aligned_alloc(kHugePage, whole)));
    if (memory_ == nullptr) return;
    size_ = whole;
    madvise(memory_.get(), whole, MADV_HUGEPAGE);
    std::memset(memory_.get(), 0, whole);
  }

  // A byte of every line of the first `bytes`.
  void Touch(int64_t bytes) {
    constexpr size_t kLine = 64;
    const size_t end = std::min(size_, static_cast<size_t>(bytes));
    for (size_t i = 0; i < end; i += kLine) memory_[i] = static_cast<char>(memory_[i] + 1);
  }

 private:
  static constexpr size_t kHugePage = 2 << 20;
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  std::unique_ptr<char[], Free> memory_;
  size_t size_ = 0;
};

}  // namespace dilemma
