#include "cli/recovery_steps.h"

#include <set>

#include "base/file.h"
#include "base/interrupt.h"
#include "cli/steps.h"
#include "model/gguf_reader.h"

namespace dilemma::cli {
namespace {

// That some server was profiled for, of layers.
std::vector<std::string> MeasuredTypes(const Profile& profile) {
  std::set<std::string> types;
  for (const ServerProfile& server : profile.servers) {
    const auto layer = server.times.find("layer");
    if (layer == server.times.end()) continue;
    for (const auto& [type, time] : layer->second) types.insert(type);
  }
  return {types.begin(), types.end()};
}

}  // namespace

void AddRecoveryOptions(CLI::App* command, RecoveryFlags& flags) {
  command->add_flag(
      "--recover", flags.recover,
      "Go on when servers die: open the ring again, and with --profile plan again on those left");
  command->add_option("--profile,-p", flags.profile,
                      "What `dilemma profile` measured: dead servers are planned around (implies --recover)");
  command->add_option("--quality", flags.quality,
                      "Quality table of the plan (default: the weight difference, as `plan` computes it)");
  command->add_flag("--allow-worse", flags.allow_worse,
                    "Where no plan on the servers left is inside the loss budget, take the best outside it");
  command->add_flag("--stand-by", flags.stand_by,
                    "Plan for the loss of each server ahead, and send the shards ahead (takes disk there)");
}

absl::StatusOr<PlanInputs> InputsOf(const Plan& plan, const Cluster& cluster, const std::string& model_path,
                                    const RecoveryFlags& flags) {
  PlanInputs in;
  ASSIGN_OR_RETURN(in.model, ReadModel(model_path));
  ASSIGN_OR_RETURN(const std::string sha256, Sha256OfFile(model_path));
  if (sha256 != plan.model_sha256) {
    return InvalidArgument(
        "'{}' is not the model that the plan was made for: new shards cannot be written from it", model_path);
  }
  in.cluster = cluster;
  ASSIGN_OR_RETURN(in.profile, ReadProfile(flags.profile));
  ASSIGN_OR_RETURN(in.quality,
                   LoadOrComputeQuality(flags.quality, in.model, sha256, MeasuredTypes(in.profile)));
  for (size_t u = 0; u < in.quality.units.size(); ++u) {
    const Unit& unit = in.model.units[u];
    std::erase_if(in.quality.units[u].choices, [&](const Choice& choice) {
      return !in.profile.Measured(Name(unit.kind), choice.mix.ToString());
    });
  }
  if (Name(in.quality.kind) != plan.loss_kind) {
    return InvalidArgument(
        "the plan's budget is in '{}' loss, the quality table is in '{}': give the plan's with --quality",
        plan.loss_kind, Name(in.quality.kind));
  }
  in.workload = plan.workload;
  in.limits.loss_budget = plan.loss_budget;
  std::set<std::string> servers;
  for (const PlanStage& stage : plan.stages) servers.insert(stage.server);
  in.limits.one_block_per_server = servers.size() == plan.stages.size();
  return in;
}

absl::StatusOr<std::unique_ptr<ResilientCoordinator>> OpenResilient(const Plan& plan, const Cluster& cluster,
                                                                    const std::filesystem::path& shards,
                                                                    const std::string& model_path,
                                                                    const RecoveryFlags& flags,
                                                                    RecoveryOptions options) {
  if (!flags.profile.empty()) {
    ASSIGN_OR_RETURN(options.inputs, InputsOf(plan, cluster, model_path, flags));
    ASSIGN_OR_RETURN(options.replan.weights, WeightsAsMeasured(options.inputs->model, flags.quality));
  } else if (flags.allow_worse || flags.stand_by) {
    return InvalidArgument("{} needs --profile: without it nothing can be planned again",
                           flags.stand_by ? "--stand-by" : "--allow-worse");
  }
  options.replan.allow_worse = flags.allow_worse;
  options.stand_by = flags.stand_by;
  options.ring = QuickToNotice(std::move(options.ring));
  ShippingLine line(plan);
  options.ring.on_ship = line.Report();
  return ResilientCoordinator::Open(plan, cluster, shards, options);
}

std::string Describe(const RecoveryEvent& event) {
  switch (event.kind) {
    case RecoveryEvent::Kind::kLost:
      return fmt::format("lost: {}", event.text);
    case RecoveryEvent::Kind::kRecovered:
      return fmt::format("recovered after {:.1f} s: {}", event.seconds, event.text);
    case RecoveryEvent::Kind::kReturned:
      return fmt::format("back on the original plan: {} ({:.1f} s)", event.text, event.seconds);
    case RecoveryEvent::Kind::kWaiting:
      return fmt::format("waiting for servers: {}", event.text);
    case RecoveryEvent::Kind::kPrepared:
      return fmt::format("prepared {}", event.text);
  }
  return event.text;
}

}  // namespace dilemma::cli
