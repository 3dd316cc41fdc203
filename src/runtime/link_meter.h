// Measures the link to a node: small messages back and forth over an open stream, as a ring does it, and the
// rate at which large ones arrive.
#pragma once

#include <functional>

#include "absl/status/statusor.h"
#include "runtime/client.h"
#include "runtime/dilemma.grpc.pb.h"

namespace dilemma {

absl::Status CheckLinkProbe(const LinkProbeOptions& options);
absl::StatusOr<LinkProbeResult> MeasureLink(v1::Node::StubInterface& node, const std::string& address,
                                            const LinkProbeOptions& options);
// The other end: answers until the caller is done. `on_message` is called for each message.
grpc::Status AnswerEchoes(grpc::ServerReaderWriter<v1::EchoMessage, v1::EchoMessage>& stream,
                          const std::function<void()>& on_message);

}  // namespace dilemma
