#include "runtime/messages.h"

namespace dilemma {

v1::ProbeRequest ToMessage(const ProbeRequest& request) {
  v1::ProbeRequest message;
  message.set_metadata(request.shape.metadata);
  message.set_layers(request.shape.layers);
  message.set_embedding(request.shape.embedding);
  message.set_head(request.shape.head);
  message.set_mix(request.shape.mix);
  message.set_threads(request.threads);
  message.set_context(request.context);
  for (const ProbePass& pass : request.passes) {
    v1::ProbePass* added = message.add_passes();
    added->set_context(pass.context);
    added->set_rows(pass.rows);
    added->set_repeats(pass.repeats);
    added->set_idle_s(pass.idle_s);
    added->set_sweep_bytes(pass.sweep_bytes);
  }
  return message;
}

ProbeRequest FromMessage(const v1::ProbeRequest& message) {
  ProbeRequest request;
  request.shape.metadata = message.metadata();
  request.shape.layers = message.layers();
  request.shape.embedding = message.embedding();
  request.shape.head = message.head();
  request.shape.mix = message.mix();
  request.threads = message.threads();
  request.context = message.context();
  for (const v1::ProbePass& pass : message.passes()) {
    request.passes.push_back(
        {pass.context(), pass.rows(), pass.repeats(), pass.idle_s(), pass.sweep_bytes()});
  }
  return request;
}

v1::ProbeReply ToMessage(const ProbeResult& result) {
  v1::ProbeReply message;
  for (const auto& seconds : result.seconds) {
    message.add_passes()->mutable_seconds()->Assign(seconds.begin(), seconds.end());
  }
  message.set_weight_bytes(result.weight_bytes);
  message.set_kv_bytes(result.kv_bytes);
  message.set_rss_bytes(result.rss_bytes);
  return message;
}

ProbeResult FromMessage(const v1::ProbeReply& message) {
  ProbeResult result;
  for (const v1::Seconds& pass : message.passes()) {
    result.seconds.emplace_back(pass.seconds().begin(), pass.seconds().end());
  }
  result.weight_bytes = message.weight_bytes();
  result.kv_bytes = message.kv_bytes();
  result.rss_bytes = message.rss_bytes();
  return result;
}

v1::ProbeLinkRequest ToMessage(const std::string& server, const std::string& to,
                               const LinkProbeOptions& options) {
  v1::ProbeLinkRequest message;
  message.set_server(server);
  message.set_to(to);
  message.set_round_trips(options.round_trips);
  message.set_small_bytes(options.small_bytes);
  message.set_large_messages(options.large_messages);
  message.set_large_bytes(options.large_bytes);
  message.set_limit_s(options.limit_s);
  message.set_idle_s(options.idle_s);
  return message;
}

LinkProbeOptions FromMessage(const v1::ProbeLinkRequest& message) {
  LinkProbeOptions options;
  options.round_trips = message.round_trips();
  options.small_bytes = message.small_bytes();
  options.large_messages = message.large_messages();
  options.large_bytes = message.large_bytes();
  options.limit_s = message.limit_s();
  options.idle_s = message.idle_s();
  return options;
}

v1::LinkSamples ToMessage(const LinkProbeResult& result) {
  v1::LinkSamples message;
  message.mutable_round_trip_s()->Assign(result.round_trip_s.begin(), result.round_trip_s.end());
  message.mutable_bytes_per_s()->Assign(result.bytes_per_s.begin(), result.bytes_per_s.end());
  return message;
}

LinkProbeResult FromMessage(const v1::LinkSamples& message) {
  LinkProbeResult result;
  result.round_trip_s.assign(message.round_trip_s().begin(), message.round_trip_s().end());
  result.bytes_per_s.assign(message.bytes_per_s().begin(), message.bytes_per_s().end());
  return result;
}

NodeInfo FromMessage(const v1::InfoReply& message) {
  NodeInfo info;
  info.name = message.name();
  info.version = message.version();
  info.cores = message.cores();
  info.threads = message.threads();
  info.memory_bytes = message.memory_bytes();
  info.base_rss_bytes = message.base_rss_bytes();
  info.rss_bytes = message.rss_bytes();
  info.free_disk_bytes = message.free_disk_bytes();
  for (const v1::StoredShard& shard : message.shards())
    info.shards.push_back({shard.sha256(), shard.bytes()});
  info.open_stages = message.open_stages();
  return info;
}

}  // namespace dilemma
