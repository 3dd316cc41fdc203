// What is inside Credentials, for this room.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "certs/identity.h"
#include "runtime/credentials.h"

namespace dilemma {

class Credentials {
 public:
  Identity identity;
  std::shared_ptr<grpc::ChannelCredentials> channel;
  std::shared_ptr<grpc::ServerCredentials> server;
};

// Plain text for null.
std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials(const Credentials* credentials);
std::shared_ptr<grpc::ServerCredentials> ServerCredentials(const Credentials* credentials);

}  // namespace dilemma
