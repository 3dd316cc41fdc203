// Who may run: as many requests at once as the plan has KV slots, the others wait their turn, and past a
// limit they are turned away.
//
// Turns are fair between clients: a slot that comes free goes to the client that holds fewest, among those to
// the one that was served longest ago, and within a client to the request that came first.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"

namespace dilemma {

struct AdmissionOptions {
  int slots = 1;
  int max_waiting = 64;
};

// Thread-safe. Outlives its tickets.
class Admission {
 public:
  explicit Admission(const AdmissionOptions& options) : options_(options) {}

  // A slot; given back when the object goes.
  class Ticket {
   public:
    Ticket(Admission* admission, std::string client) : admission_(admission), client_(std::move(client)) {}
    ~Ticket() { admission_->Leave(client_); }
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;

   private:
    Admission* const admission_;
    const std::string client_;
  };

  // Blocks until it is this request's turn. kResourceExhausted: too many wait; kCancelled: `still_wanted`,
  // asked every now and then, said no; kUnavailable: closed.
  absl::StatusOr<std::shared_ptr<Ticket>> Enter(const std::string& client,
                                                const std::function<bool()>& still_wanted);

  // Ends every wait; nobody enters any more.
  void Close();

  int running() const;
  int waiting() const;
  // When a request that was turned away should try again, from how long requests took of late.
  int RetryAfterSeconds() const;

 private:
  struct Waiter {
    std::string client;
    bool granted = false;
  };
  struct Client {
    int running = 0, waiting = 0;
    uint64_t served = 0;               // number of the turn it had last
    std::list<Stopwatch> since_start;  // of the running ones, oldest first
  };
  using Waiters = std::list<Waiter>;

  void Leave(const std::string& client);
  void Grant();  // mutex_ is held, as for all below
  Waiters::iterator Next();
  void Forget(const std::string& client);

  const AdmissionOptions options_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Waiters waiters_;  // in the order they came; granted ones are about to go
  std::map<std::string, Client> clients_;
  int running_ = 0, waiting_ = 0;
  uint64_t turns_ = 0;
  double mean_s_ = 1;  // of a request, of late
  bool closed_ = false;
};

}  // namespace dilemma
