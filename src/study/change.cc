// Changes as people write them.
#include <cmath>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/units.h"
#include "study/replan.h"

namespace dilemma {
namespace {

std::string_view Trim(std::string_view text) { return View(absl::StripAsciiWhitespace(View(text))); }

// "20 Mbit/s" -> "20" and "Mbit/s".
std::pair<std::string_view, std::string_view> SplitWord(std::string_view text) {
  text = Trim(text);
  const size_t end = text.find(' ');
  return {text.substr(0, end), end == std::string_view::npos ? "" : Trim(text.substr(end))};
}

class Changer {
 public:
  Changer(std::string_view text, PlanInputs& inputs) : text_(text), in_(inputs) {}

  absl::Status Apply() {
    const auto [verb, rest] = SplitWord(text_);
    if (verb == "link") return ChangeLink(rest);
    if (verb == "users") return ChangeCount(rest, 1, in_.workload.users);
    if (verb == "context") return ChangeCount(rest, 1, in_.workload.context);
    if (verb == "max-servers") return ChangeCount(rest, 0, in_.limits.max_servers);
    if (verb == "max-loss") {
      ASSIGN_OR_RETURN(in_.limits.loss_budget, Positive(rest, /*zero=*/true));
      return absl::OkStatus();
    }
    if (verb == "memory" || verb == "disk" || verb == "slowdown" || verb == "without")
      return ChangeServer(verb, rest);
    return Bad(fmt::format("changes are {}", ChangeGrammar()));
  }

 private:
  absl::Status Bad(std::string_view why) const { return InvalidArgument("change '{}': {}", text_, why); }

  absl::StatusOr<double> Positive(std::string_view text, bool zero = false) const {
    double value = 0;
    if (!absl::SimpleAtod(View(text), &value) || !std::isfinite(value) || value < 0 || (value == 0 && !zero))
      return Bad(fmt::format("'{}' is not a number above 0", text));
    return value;
  }

  template <typename Count>
  absl::Status ChangeCount(std::string_view text, int64_t least, Count& count) const {
    int64_t value = 0;
    if (text.empty() || !absl::SimpleAtoi(View(text), &value))
      return Bad(fmt::format("'{}' is not a whole number", text));
    if (text[0] == '+' || text[0] == '-') value += count;
    if (value < least || value > (int64_t{1} << 24))
      return Bad(fmt::format("that would be {}: at least {}", value, least));
    count = static_cast<Count>(value);
    return absl::OkStatus();
  }

  absl::Status ChangeServer(std::string_view verb, std::string_view rest) {
    const auto [name, amount] = SplitWord(rest);
    const int n = in_.cluster.IndexOf(name);
    if (n < 0) return Bad(fmt::format("cluster '{}' has no server '{}'", in_.cluster.name, name));
    Server& server = in_.cluster.servers[static_cast<size_t>(n)];
    if (verb == "without") {
      if (!amount.empty()) return Bad("nothing follows the server");
      server.forbidden = true;
      return absl::OkStatus();
    }
    if (verb == "slowdown") return Slow(name, amount);
    auto bytes = ParseBytes(amount);
    if (!bytes.ok()) return Bad(Message(bytes.status()));
    if (verb == "disk") {
      server.disk_bytes = *bytes;
      return absl::OkStatus();
    }
    server.memory_bytes = *bytes;
    for (ServerProfile& profile : in_.profile.servers)  // more than the machine had when it was measured
      if (profile.server == name) profile.memory_bytes = *bytes;
    return absl::OkStatus();
  }

  absl::Status Slow(std::string_view name, std::string_view amount) {
    ASSIGN_OR_RETURN(const double factor, Positive(amount));
    for (ServerProfile& server : in_.profile.servers) {
      if (server.server != name) continue;
      for (double* time :
           {&server.stage_decode_s, &server.stage_prefill_s, &server.stage_prefill_s_per_token})
        *time *= factor;
      for (auto& [kind, times] : server.times)
        for (auto& [type, time] : times)
          for (double* part :
               {&time.decode_s, &time.decode_s_per_ctx, &time.prefill_s, &time.prefill_s_per_token})
            *part *= factor;
    }
    return absl::OkStatus();
  }

  bool IsPlace(std::string_view name) const { return name == kUser || in_.cluster.IndexOf(name) >= 0; }

  // "a-b" where both are places; names may have dashes of their own.
  absl::Status ChangeLink(std::string_view rest) {
    const auto [pair, amounts] = SplitWord(rest);
    const size_t arrow = pair.find("->");
    if (arrow != std::string_view::npos)
      return SetLink(pair.substr(0, arrow), pair.substr(arrow + 2), false, amounts);
    for (size_t dash = pair.find('-'); dash != std::string_view::npos; dash = pair.find('-', dash + 1)) {
      if (IsPlace(pair.substr(0, dash)) && IsPlace(pair.substr(dash + 1)))
        return SetLink(pair.substr(0, dash), pair.substr(dash + 1), true, amounts);
    }
    return Bad(fmt::format("'{}' are not two of the cluster's servers (or user) with a dash between", pair));
  }

  absl::Status SetLink(std::string_view a, std::string_view b, bool both, std::string_view amounts) {
    if (!IsPlace(a) || !IsPlace(b) || a == b)
      return Bad(fmt::format("'{}' and '{}' are not two of the cluster's servers (or user)", a, b));
    std::optional<double> rate, latency;
    for (const auto part : absl::StrSplit(View(amounts), ',')) {
      const std::string_view amount = Trim(View(part));
      if (auto bandwidth = ParseBandwidth(amount); bandwidth.ok()) {
        rate = *bandwidth;
      } else if (auto duration = ParseDuration(amount); duration.ok()) {
        latency = *duration;
      } else {
        return Bad(fmt::format("'{}' is neither a rate (20 Mbit/s) nor a latency (5 ms)", amount));
      }
    }
    int found = 0;
    for (LinkProfile& link : in_.profile.links) {
      if (!(link.from == a && link.to == b) && !(both && link.from == b && link.to == a)) continue;
      ++found;
      link.bandwidth_bps = rate.value_or(link.bandwidth_bps);
      link.latency_s = latency.value_or(link.latency_s);
    }
    return found > 0 ? absl::OkStatus() : Bad("the profile has no such link");
  }

  const std::string_view text_;
  PlanInputs& in_;
};

}  // namespace

std::string_view ChangeGrammar() {
  return "\"link A-B 20 Mbit/s\" (or 5 ms, or both with a comma), \"memory S 64 MiB\", \"disk S 1 GiB\", "
         "\"slowdown S 2\", \"without S\", \"users +1\", \"context 1024\", \"max-servers 3\", \"max-loss "
         "0.2\"";
}

absl::Status ApplyChange(std::string_view text, PlanInputs& inputs) {
  return Changer(Trim(text), inputs).Apply();
}

}  // namespace dilemma
