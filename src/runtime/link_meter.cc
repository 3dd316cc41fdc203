#include "runtime/link_meter.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/status.h"
#include "runtime/machine.h"
#include "runtime/rpc.h"

namespace dilemma {
namespace {

constexpr int kWarmUps = 5;
constexpr int64_t kMaxPayload = 2 << 20;
constexpr double kMaxIdleS = 1;
constexpr double kSlackS = 20;  // beyond the limit: for the message that is under way on a slow link

using EchoStream = grpc::ClientReaderWriterInterface<v1::EchoMessage, v1::EchoMessage>;

double SecondsBetween(int64_t from_ns, int64_t to_ns) { return static_cast<double>(to_ns - from_ns) * 1e-9; }

bool RoundTrips(EchoStream& stream, const LinkProbeOptions& options, int64_t end_ns,
                LinkProbeResult* result) {
  v1::EchoMessage message, answer;
  message.set_payload(std::string(static_cast<size_t>(options.small_bytes), '.'));
  message.set_return_payload(true);
  const auto idle_us = static_cast<int64_t>(options.idle_s * 1e6);
  for (int i = 0; i < kWarmUps + options.round_trips && MonotonicNanos() < end_ns; ++i) {
    message.set_number(static_cast<uint64_t>(i));
    if (i >= kWarmUps) {
      message.set_idle_us(idle_us);
      std::this_thread::sleep_for(std::chrono::microseconds(idle_us));
    }
    const int64_t sent = MonotonicNanos();
    if (!stream.Write(message) || !stream.Read(&answer)) return false;
    const int64_t back = MonotonicNanos();
    if (i < kWarmUps) continue;
    const double there = SecondsBetween(answer.received_ns(), answer.sent_ns());
    result->round_trip_s.push_back(std::max(0.0, SecondsBetween(sent, back) - there));
  }
  return true;
}

// The first message fills what the link can store, so the time counts from its arrival. At most two are on
// their way at once: on a slow link a stop at the limit is a stop soon.
bool Stream(EchoStream& stream, const LinkProbeOptions& options, int64_t end_ns, LinkProbeResult* result) {
  v1::EchoMessage message, answer;
  message.set_payload(std::string(static_cast<size_t>(options.large_bytes), '.'));
  int64_t sent = 0, answered = 0, last_arrival = 0;
  while (sent < options.large_messages || answered < sent) {
    if (sent < options.large_messages && sent < answered + 3) {
      if (sent > 1 && MonotonicNanos() > end_ns) return true;
      if (!stream.Write(message)) return false;
      ++sent;
      continue;
    }
    if (!stream.Read(&answer)) return false;
    if (answered > 0 && answer.received_ns() > last_arrival) {
      result->bytes_per_s.push_back(static_cast<double>(options.large_bytes) /
                                    SecondsBetween(last_arrival, answer.received_ns()));
    }
    last_arrival = answer.received_ns();
    ++answered;
  }
  return true;
}

}  // namespace

absl::Status CheckLinkProbe(const LinkProbeOptions& options) {
  const bool good = options.round_trips >= 0 && options.round_trips <= 100'000 && options.small_bytes >= 0 &&
                    options.small_bytes <= kMaxPayload && options.large_messages >= 0 &&
                    options.large_messages <= 100'000 && options.large_bytes >= 0 &&
                    options.large_bytes <= kMaxPayload && options.limit_s > 0 && options.limit_s <= 600 &&
                    options.idle_s >= 0 && options.idle_s <= kMaxIdleS;
  if (good) return absl::OkStatus();
  return InvalidArgument(
      "link probe out of range: at most 100000 messages of {} bytes in 600 s, pauses of {} s", kMaxPayload,
      kMaxIdleS);
}

absl::StatusOr<LinkProbeResult> MeasureLink(v1::Node::StubInterface& node, const std::string& address,
                                            const LinkProbeOptions& options) {
  RETURN_IF_ERROR(CheckLinkProbe(options));
  grpc::ClientContext context;
  SetDeadline(&context, options.limit_s + kSlackS);
  const int64_t end_ns = MonotonicNanos() + static_cast<int64_t>(options.limit_s * 1e9);
  const auto stream = node.Echo(&context);
  LinkProbeResult result;
  const bool done =
      RoundTrips(*stream, options, end_ns, &result) && Stream(*stream, options, end_ns, &result);
  if (done && result.bytes_per_s.size() + 1 < static_cast<size_t>(options.large_messages)) {
    context.TryCancel();  // stopped at the limit
    stream->Finish();
    return result;
  }
  stream->WritesDone();
  RETURN_IF_ERROR(FromGrpc(stream->Finish(), fmt::format("measuring the link to {}", address)));
  return result;
}

grpc::Status AnswerEchoes(grpc::ServerReaderWriter<v1::EchoMessage, v1::EchoMessage>& stream,
                          const std::function<void()>& on_message) {
  v1::EchoMessage message, answer;
  while (stream.Read(&message)) {
    answer.set_received_ns(MonotonicNanos());
    on_message();
    if (message.idle_us() < 0 || message.idle_us() > static_cast<int64_t>(kMaxIdleS * 1e6)) {
      return ToGrpc(InvalidArgument("a pause of {} us before an answer", message.idle_us()));
    }
    if (message.idle_us() > 0) std::this_thread::sleep_for(std::chrono::microseconds(message.idle_us()));
    answer.set_number(message.number());
    if (message.return_payload()) {
      answer.set_payload(message.payload());
    } else {
      answer.clear_payload();
    }
    answer.set_sent_ns(MonotonicNanos());
    if (!stream.Write(answer)) break;
  }
  return grpc::Status::OK;
}

}  // namespace dilemma
