#include "profiler/compute_probe.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/statistics.h"
#include "base/status.h"

namespace dilemma {
namespace {

constexpr int kShortLayers = 1;

int64_t SmallChunk(const ProfileOptions& options) { return std::max<int64_t>(1, options.prefill_chunk / 4); }

// Medians of one probe shard's passes, over all rounds so far.
struct Timing {
  double decode_near_s = 0;    // one token at a short context
  double decode_s = 0;         // one token at the profile's decode context
  double prefill_small_s = 0;  // a quarter of a chunk
  double prefill_s = 0;        // one chunk
  int64_t buffer_bytes = 0;    // resident growth beyond weights and KV cache; the largest
};

Timing MedianTiming(const std::vector<Timing>& rounds) {
  Timing all;
  all.decode_near_s = MedianOf(rounds, &Timing::decode_near_s);
  all.decode_s = MedianOf(rounds, &Timing::decode_s);
  all.prefill_small_s = MedianOf(rounds, &Timing::prefill_small_s);
  all.prefill_s = MedianOf(rounds, &Timing::prefill_s);
  for (const Timing& timing : rounds) all.buffer_bytes = std::max(all.buffer_bytes, timing.buffer_bytes);
  return all;
}

class ServerProbe {
 public:
  ServerProbe(NodeClient& node, const ProbeShape& shape, const ProfileOptions& options, int threads,
              const std::function<bool(std::string_view)>& step)
      : node_(node), shape_(shape), options_(options), threads_(threads), step_(step) {}

  // Times the shard once more; the answer counts what earlier rounds saw. nullopt where the server has no
  // memory for the shard.
  absl::StatusOr<std::optional<Timing>> Time(int layers, bool embedding, bool head, TensorType type) {
    const std::string what = embedding ? "embedding" : head ? "head" : fmt::format("{} layers", layers);
    if (Interrupted() || !step_(fmt::format("{} {}", what, Name(type)))) return InterruptedStatus();
    ProbeRequest request;
    request.shape = shape_;
    request.shape.layers = layers;
    request.shape.embedding = embedding;
    request.shape.head = head;
    request.shape.mix = Name(type);
    request.threads = threads_;
    request.passes = {
        {0, SmallChunk(options_), options_.prefill_repeats, options_.idle_s, options_.sweep_bytes},
        {0, options_.prefill_chunk, options_.prefill_repeats, options_.idle_s, options_.sweep_bytes},
        {kNearContext, 1, (options_.decode_repeats + 1) / 2, options_.idle_s, options_.sweep_bytes},
        {options_.decode_context, 1, options_.decode_repeats, options_.idle_s, options_.sweep_bytes}};
    auto result = node_.Probe(request);
    if (absl::IsResourceExhausted(result.status())) {
      reason_ = std::string(Message(result.status()));
      return std::nullopt;
    }
    if (!result.ok()) return Annotate(result.status(), fmt::format("while timing {} {}", what, Name(type)));
    if (result->seconds.size() != request.passes.size()) {
      return Internal("a probe answered {} of {} passes", result->seconds.size(), request.passes.size());
    }
    Timing timing;
    timing.prefill_small_s = Median(result->seconds[0]);
    timing.prefill_s = Median(result->seconds[1]);
    timing.decode_near_s = Median(result->seconds[2]);
    timing.decode_s = Median(result->seconds[3]);
    timing.buffer_bytes = std::max<int64_t>(0, result->rss_bytes - result->weight_bytes - result->kv_bytes);
    std::vector<Timing>& rounds = rounds_[{layers, embedding, head, Name(type)}];
    rounds.push_back(timing);
    return MedianTiming(rounds);
  }

  // The long shard, with fewer layers where memory is short; `layers` is what it had.
  absl::StatusOr<std::optional<Timing>> TimeLong(TensorType type, int& layers) {
    for (layers = options_.long_layers; layers > kShortLayers; layers = layers / 2) {
      ASSIGN_OR_RETURN(auto timing, Time(layers, false, false, type));
      if (timing.has_value()) return timing;
    }
    return std::nullopt;
  }

  static constexpr int64_t kNearContext = 8;

  // Notes that the last shard, of this kind of unit, had no room.
  void LeaveOut(std::string_view kind, TensorType type) {
    left_out_.push_back(fmt::format("{} in {}: {}", kind, Name(type), reason_));
  }
  std::vector<std::string> TakeLeftOut() { return std::exchange(left_out_, {}); }

 private:
  NodeClient& node_;
  const ProbeShape& shape_;
  const ProfileOptions& options_;
  int threads_;
  const std::function<bool(std::string_view)>& step_;
  std::string reason_;
  std::vector<std::string> left_out_;
  std::map<std::tuple<int, bool, bool, std::string>, std::vector<Timing>> rounds_;  // by shard
};

double Rest(double all, double part) { return std::max(0.0, all - part); }

// A line through the times of a small and of a full chunk; where noise would give it a negative part, the
// full chunk's time is all per pass or all per token.
struct PrefillLine {
  double pass_s = 0, token_s = 0;
};
PrefillLine FitPrefill(double small_s, double full_s, const ProfileOptions& options) {
  const auto small = static_cast<double>(SmallChunk(options)),
             full = static_cast<double>(options.prefill_chunk);
  if (full <= small) return {0, full_s / full};
  PrefillLine line;
  line.token_s = std::clamp((full_s - small_s) / (full - small), 0.0, full_s / full);
  line.pass_s = full_s - full * line.token_s;
  return line;
}

void SetPrefill(UnitTime& time, double small_s, double full_s, const ProfileOptions& options) {
  const PrefillLine line = FitPrefill(small_s, full_s, options);
  time.prefill_s = line.pass_s;
  time.prefill_s_per_token = line.token_s;
}

double PrefillTime(const UnitTime& time, int64_t tokens) {
  return time.prefill_s + time.prefill_s_per_token * static_cast<double>(tokens);
}

// What a unit costs once the fixed cost and `layer` are taken off.
UnitTime Added(const Timing& timing, const Timing& fixed, const UnitTime& layer,
               const ProfileOptions& options) {
  UnitTime time;
  time.decode_s = Rest(timing.decode_s, fixed.decode_s + layer.decode_s);
  SetPrefill(time,
             Rest(timing.prefill_small_s, fixed.prefill_small_s + PrefillTime(layer, SmallChunk(options))),
             Rest(timing.prefill_s, fixed.prefill_s + PrefillTime(layer, options.prefill_chunk)), options);
  return time;
}

UnitTime PerLayer(const Timing& timing, const Timing& fixed, int layers, const ProfileOptions& options) {
  UnitTime time;
  time.decode_s = Rest(timing.decode_s, fixed.decode_s) / layers;
  SetPrefill(time, Rest(timing.prefill_small_s, fixed.prefill_small_s) / layers,
             Rest(timing.prefill_s, fixed.prefill_s) / layers, options);
  return time;
}

// The types of the menu that a kind of unit admits; the order is kept.
std::vector<TensorType> MenuOf(const Unit& unit, const ProfileOptions& options) {
  std::vector<TensorType> menu = UnitMenu(unit);
  if (!options.menu.empty()) {
    std::erase_if(menu, [&](TensorType type) {
      return std::find(options.menu.begin(), options.menu.end(), type) == options.menu.end();
    });
  }
  return menu;
}

const Unit& FirstLayer(const ModelInfo& model) { return model.units[1]; }

// The stage's fixed cost: the median, over types, of what is left of the short shard once its layer is taken
// off.
Timing FixedCost(const std::vector<std::pair<Timing, Timing>>& short_and_long,
                 const std::vector<int>& layers) {
  const auto fixed_part = [&](double Timing::*part) {
    std::vector<double> left;
    for (size_t i = 0; i < short_and_long.size(); ++i) {
      const double brief = short_and_long[i].first.*part, lengthy = short_and_long[i].second.*part;
      left.push_back(Rest(brief, kShortLayers * Rest(lengthy, brief) / (layers[i] - kShortLayers)));
    }
    return Median(left);
  };
  Timing fixed;
  fixed.decode_s = fixed_part(&Timing::decode_s);
  fixed.prefill_small_s = fixed_part(&Timing::prefill_small_s);
  fixed.prefill_s = fixed_part(&Timing::prefill_s);
  return fixed;
}

// What a token more in the KV cache adds to a layer. The type of the weights has no part in it: the median
// over the types, as the difference is small and each of them noisy.
double DecodePerContext(const std::vector<std::pair<Timing, Timing>>& short_and_long,
                        const std::vector<int>& layers, const ProfileOptions& options) {
  std::vector<double> slopes;
  for (size_t i = 0; i < layers.size(); ++i) {
    const Timing& lengthy = short_and_long[i].second;
    slopes.push_back((lengthy.decode_s - lengthy.decode_near_s) / layers[i]);
  }
  return std::max(0.0, Median(slopes)) /
         static_cast<double>(std::max<int64_t>(1, options.decode_context - ServerProbe::kNearContext));
}

absl::Status MeasureLayers(ServerProbe& probe, const std::vector<TensorType>& menu,
                           const ProfileOptions& options, ServerProfile& profile, Timing& fixed) {
  std::vector<std::pair<Timing, Timing>> pairs;
  std::vector<int> layers;
  std::vector<TensorType> types;
  for (const TensorType type : menu) {
    ASSIGN_OR_RETURN(const auto brief, probe.Time(kShortLayers, false, false, type));
    int count = 0;
    ASSIGN_OR_RETURN(const auto lengthy, probe.TimeLong(type, count));
    if (!brief.has_value() || !lengthy.has_value()) {
      probe.LeaveOut("layer", type);
      continue;
    }
    pairs.emplace_back(*brief, *lengthy);
    layers.push_back(count);
    types.push_back(type);
    profile.stage_buffer_bytes =
        std::max({profile.stage_buffer_bytes, brief->buffer_bytes, lengthy->buffer_bytes});
  }
  if (types.empty()) {
    const std::vector<std::string> left_out = probe.TakeLeftOut();
    return absl::ResourceExhaustedError(
        fmt::format("the server has no room for two layers of the model at any type: {}",
                    left_out.empty() ? "the menu is empty" : left_out.back()));
  }
  fixed = FixedCost(pairs, layers);
  const double per_context = DecodePerContext(pairs, layers, options);
  for (size_t i = 0; i < types.size(); ++i) {
    UnitTime time = PerLayer(pairs[i].second, fixed, layers[i], options);
    time.decode_s_per_ctx = per_context;
    profile.times["layer"][Name(types[i])] = time;
  }
  return absl::OkStatus();
}

absl::Status MeasureEnd(ServerProbe& probe, const Unit& unit, const ProfileOptions& options,
                        const Timing& fixed, ServerProfile& profile) {
  const bool head = unit.kind == UnitKind::kHead;
  for (const TensorType type : MenuOf(unit, options)) {
    const auto layer = profile.Time("layer", Name(type));
    if (!layer.ok()) continue;
    ASSIGN_OR_RETURN(const auto timing, probe.Time(1, !head, head, type));
    if (!timing.has_value()) {
      probe.LeaveOut(Name(unit.kind), type);
      continue;
    }
    profile.times[head ? "head" : "embedding"][Name(type)] = Added(*timing, fixed, *layer, options);
    if (head) {
      profile.head_buffer_bytes =
          std::max(profile.head_buffer_bytes, timing->buffer_bytes - profile.stage_buffer_bytes);
    }
  }
  return absl::OkStatus();
}

absl::Status MeasureRound(ServerProbe& probe, const ModelInfo& model, const ProfileOptions& options,
                          ServerProfile& profile) {
  profile.times.clear();
  Timing fixed;
  RETURN_IF_ERROR(MeasureLayers(probe, MenuOf(FirstLayer(model), options), options, profile, fixed));
  profile.stage_decode_s = fixed.decode_s;
  const PrefillLine stage = FitPrefill(fixed.prefill_small_s, fixed.prefill_s, options);
  profile.stage_prefill_s = stage.pass_s;
  profile.stage_prefill_s_per_token = stage.token_s;
  RETURN_IF_ERROR(MeasureEnd(probe, model.units.front(), options, fixed, profile));
  RETURN_IF_ERROR(MeasureEnd(probe, model.units.back(), options, fixed, profile));
  profile.left_out = probe.TakeLeftOut();
  return absl::OkStatus();
}

}  // namespace

int ProbeCount(const ModelInfo& model, const ProfileOptions& options) {
  return options.rounds * static_cast<int>(2 * MenuOf(FirstLayer(model), options).size() +
                                           MenuOf(model.units.front(), options).size() +
                                           MenuOf(model.units.back(), options).size());
}

absl::StatusOr<ServerProfile> MeasureServer(NodeClient& node, const ModelInfo& model, const ProbeShape& shape,
                                            const ProfileOptions& options, int threads,
                                            const std::function<bool(std::string_view what)>& step) {
  ServerProfile profile;
  ASSIGN_OR_RETURN(const NodeInfo info, node.Info());
  profile.threads = threads > 0 ? threads : info.threads;
  profile.memory_bytes = info.memory_bytes;
  profile.base_rss_bytes = info.base_rss_bytes;
  ServerProbe probe(node, shape, options, threads, step);
  for (int round = 0; round < options.rounds; ++round) {
    RETURN_IF_ERROR(MeasureRound(probe, model, options, profile));
  }
  // Once it has worked, an empty node holds more than a fresh one: the code that it ran, for one.
  ASSIGN_OR_RETURN(const NodeInfo after, node.Info());
  if (after.open_stages == 0) profile.base_rss_bytes = std::max(profile.base_rss_bytes, after.rss_bytes);
  return profile;
}

}  // namespace dilemma
