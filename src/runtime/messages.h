// The room's public structs as messages, and back.
#pragma once

#include "runtime/client.h"
#include "runtime/dilemma.pb.h"

namespace dilemma {

v1::ProbeRequest ToMessage(const ProbeRequest& request);
ProbeRequest FromMessage(const v1::ProbeRequest& message);
v1::ProbeReply ToMessage(const ProbeResult& result);
ProbeResult FromMessage(const v1::ProbeReply& message);

v1::ProbeLinkRequest ToMessage(const std::string& server, const std::string& to,
                               const LinkProbeOptions& options);
LinkProbeOptions FromMessage(const v1::ProbeLinkRequest& message);
v1::LinkSamples ToMessage(const LinkProbeResult& result);
LinkProbeResult FromMessage(const v1::LinkSamples& message);

NodeInfo FromMessage(const v1::InfoReply& message);

}  // namespace dilemma
