// Ends calls that are kept open without a word. A synchronous server reads without a time limit; who opens
// streams and never says what for would hold a thread each.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>

namespace dilemma {

// Thread-safe. Outlives its patiences.
class StreamWatch {
 public:
  StreamWatch();
  ~StreamWatch();

  // How long one call may stay silent: cancels it after that. One thread at a time.
  class Patience {
   public:
    Patience(StreamWatch* watch, grpc::ServerContext* context, double seconds);
    ~Patience();
    Patience(const Patience&) = delete;
    Patience& operator=(const Patience&) = delete;
    void Renew();  // the caller has said something
    void End();    // from now on it may be silent for ever

   private:
    StreamWatch* const watch_;
    const std::chrono::duration<double> limit_;
    uint64_t id_ = 0;
  };

 private:
  using Clock = std::chrono::steady_clock;
  struct Watched {
    grpc::ServerContext* context = nullptr;
    Clock::time_point end;
  };
  void Loop();

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::map<uint64_t, Watched> watched_;
  uint64_t next_id_ = 1;
  bool closing_ = false;
  std::thread thread_;  // last: uses what is above
};

}  // namespace dilemma
