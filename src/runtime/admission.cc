#include "runtime/admission.h"

#include <grpc/grpc_security_constants.h>

#include <algorithm>

#include "base/log.h"
#include "base/status.h"
#include "certs/authority.h"

namespace dilemma {
namespace {

using Values = std::vector<grpc::string_ref>;

std::string ToText(const grpc::string_ref& value) { return {value.data(), value.size()}; }

std::string NameOf(const grpc::AuthContext& peer) {
  Values names = peer.FindPropertyValues(GRPC_PEER_DNS_PROPERTY_NAME);
  if (names.empty()) names = peer.FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
  return names.empty() ? std::string() : ToText(names.front());
}

bool IsCoordinator(const grpc::AuthContext& peer) {
  const Values uris = peer.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME);
  return std::any_of(uris.begin(), uris.end(),
                     [](const auto& uri) { return ToText(uri) == kCoordinatorUri; });
}

}  // namespace

absl::Status Admission::CheckCoordinator(const grpc::ServerContext& context) const {
  if (!tls_) return absl::OkStatus();
  const auto peer = context.auth_context();
  const std::string name = peer == nullptr ? std::string() : NameOf(*peer);
  const bool good = coordinators_.empty()
                        ? peer != nullptr && IsCoordinator(*peer)
                        : std::find(coordinators_.begin(), coordinators_.end(), name) != coordinators_.end();
  if (good) return absl::OkStatus();
  spdlog::warn("turned away '{}' at {}: not a coordinator of this node", name, context.peer());
  return absl::PermissionDeniedError(fmt::format("'{}' is no coordinator of this node ({})", name,
                                                 coordinators_.empty()
                                                     ? "its certificate was not made for one"
                                                     : "it is not in the node's --coordinators"));
}

}  // namespace dilemma
