// For tests and benchmarks: somebody who sends a node random bytes and mutated messages.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runtime/rpc.h"

namespace dilemma {

class HostileClient {
 public:
  // `node`: without credentials it is spoken to in plain text. `metadata`: of a probe (MakeProbeShape), or
  // "".
  HostileClient(const Peer& node, const std::string& metadata, unsigned seed);

  // So many connections, each with up to 4 KiB that are random, or look like the beginning of HTTP/2 or TLS.
  // Returns how many were taken up.
  int64_t SendRandomBytes(int64_t connections);

  // So many messages of every method, each a valid one with some bytes changed, in calls of up to 8; an error
  // only where no connection can be made.
  absl::Status SendMutatedMessages(int64_t messages);

 private:
  struct Seed {
    std::string method;
    std::vector<std::string> messages;  // serialized; a call begins with the first
    int weight = 1;
  };
  void AddSeeds(const std::string& metadata);
  std::string Mutate(std::string bytes);
  size_t Random(size_t below) { return random_() % below; }
  void Call(grpc::Channel& channel, const Seed& seed, int64_t* left);

  const Peer node_;
  std::mt19937 random_;
  std::vector<Seed> seeds_;
  std::vector<size_t> draw_;  // indices of seeds, as often as they weigh
};

}  // namespace dilemma
