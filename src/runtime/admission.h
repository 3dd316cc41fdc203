// Who may ask a node for what. Over TLS every caller has a certificate of the node's authority; here is
// looked at who it is. Without TLS (this machine only) everybody may ask for everything.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace dilemma {

// Thread-safe.
class Admission {
 public:
  // `coordinators`: names of those whose work is taken; empty: of every certificate made for a coordinator.
  Admission(bool tls, std::vector<std::string> coordinators)
      : tls_(tls), coordinators_(std::move(coordinators)) {}

  // kPermissionDenied, saying who asked, where it is none of them.
  absl::Status CheckCoordinator(const grpc::ServerContext& context) const;

 private:
  const bool tls_;
  const std::vector<std::string> coordinators_;
};

}  // namespace dilemma
