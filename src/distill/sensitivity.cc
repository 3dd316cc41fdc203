#include "distill/sensitivity.h"

#include <algorithm>
#include <map>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "base/status.h"
#include "distill/calibration.h"
#include "distill/gptq.h"
#include "distill/layer_losses.h"
#include "distill/linear_distiller.h"
#include "distill/mixes.h"
#include "distill/tail.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"
#include "quantizer/tensor_codec.h"
#include "quantizer/weight_loss.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

struct Trial {
  TensorType type;
  double error = 0;  // tr(dW H dW^T), all matrices of the group
  std::vector<Matrix> values;
};

class Prober {
 public:
  Prober(const ModelInfo& model, std::span<const std::vector<int32_t>> windows,
         const SensitivityOptions& options, TempDir dir)
      : model_(model),
        windows_(windows),
        options_(options),
        dir_(std::move(dir)),
        grid_(OnSourceGrid(model)) {
    threads_ = options.threads > 0 ? options.threads
                                   : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    rows_ = LongestWindow(windows);
    probed_ = SpreadRows(windows.size(), static_cast<size_t>(std::max(1, options.probe_windows)));
  }

  absl::StatusOr<Sensitivity> Run(const SensitivityProgress& progress) {
    progress_ = progress;
    Sensitivity result;
    QualityTable& table = result.table;
    table.kind = LossKind::kMeasured;
    table.model = model_.name;
    const int last = static_cast<int>(model_.units.size()) - 1;
    LoadKept();
    const fs::path path = dir_.path() / "embedding.gguf";
    ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f32"));
    RETURN_IF_ERROR(WriteShard(model_, 0, 0, {&wide, 1}, path).status());
    ASSIGN_OR_RETURN(hidden_, Embed(path, windows_, threads_));
    for (int u = 0; u <= last; ++u) {
      unit_ = u;
      RETURN_IF_ERROR(Report(0));
      const Unit& unit = model_.units[static_cast<size_t>(u)];
      UnitLoss losses;
      if (kept_.contains(u)) {
        losses = kept_[u];
        if (unit.kind == UnitKind::kLayer) RETURN_IF_ERROR(Skip(u));
      } else if (unit.kind == UnitKind::kEmbedding) {
        ASSIGN_OR_RETURN(losses.groups, ProbeEmbedding());
      } else if (unit.kind == UnitKind::kHead) {
        ASSIGN_OR_RETURN(losses.groups, ProbeHead(u));
      } else {
        ASSIGN_OR_RETURN(losses, ProbeLayer(u));
      }
      RETURN_IF_ERROR(Keep(u, losses));
      table.units.push_back({unit.Label(), MixesOf(unit, losses, options_.max_choices)});
    }
    unit_ = last + 1;
    RETURN_IF_ERROR(Report(0));
    result.importance = std::move(importance_);
    if (!options_.held_out.empty()) {
      ASSIGN_OR_RETURN(result.whole_models,
                       MeasureWholeModels(model_, table, result.importance, options_.held_out,
                                          {.rows = options_.probe_rows, .threads = threads_}));
    }
    ScaleLosses(table, FactorOf(result.whole_models));
    unit_ = last + 2;
    RETURN_IF_ERROR(Report(0));
    return result;
  }

 private:
  // That `part` of the unit under way is done.
  absl::Status Report(double part) const {
    const int units = static_cast<int>(model_.units.size());
    const std::string unit =
        unit_ < units ? model_.units[static_cast<size_t>(unit_)].Label() : "whole models";
    if (progress_ && !progress_({unit_, units + 1, part, unit})) return absl::CancelledError("interrupted");
    return absl::OkStatus();
  }

  // Of the hidden states of a window, those of its first tokens.
  std::span<const float> ProbeRows(const std::vector<float>& hidden) const {
    const size_t most = static_cast<size_t>(options_.probe_tokens) * static_cast<size_t>(model_.n_embd);
    return std::span(hidden).subspan(0, std::min(most, hidden.size()));
  }
  std::vector<std::vector<float>> ProbeHidden() const {
    std::vector<std::vector<float>> hidden;
    for (const size_t w : probed_) {
      const auto rows = ProbeRows(hidden_[w]);
      hidden.emplace_back(rows.begin(), rows.end());
    }
    return hidden;
  }

  std::vector<TensorType> MenuOf(int64_t columns) const {
    std::vector<TensorType> menu = Menu(columns);
    std::erase_if(menu, [&](TensorType type) {
      return !IsQuantized(type) || std::find(grid_.begin(), grid_.end(), type) != grid_.end();
    });
    return menu;
  }

  absl::StatusOr<Matrix> ReadWeights(const TensorInfo& tensor) const {
    ASSIGN_OR_RETURN(const std::string bytes, ReadTensorBytes(model_.path, tensor));
    const std::vector<float> values = Dequantize(bytes, tensor.type, tensor.shape[0]);
    return Matrix(MatrixView(values.data(), tensor.rows(), tensor.shape[0]));
  }

  absl::Status Skip(int u) {
    ASSIGN_OR_RETURN(Crew layer, LoadTeacherUnit(model_, u, rows_, threads_, dir_.path() / "unit.gguf"));
    return MoveOn(layer, hidden_);
  }

  // Of the inputs of all groups, in one run over the text; `next`, where given, becomes the unit's output.
  absl::StatusOr<std::vector<Moments>> InputMoments(Crew& unit, HiddenStates* next) {
    const size_t groups = unit.groups().size();
    std::vector<std::vector<std::vector<float>>> seen(static_cast<size_t>(unit.threads()));
    for (auto& inputs : seen) inputs.resize(groups);
    std::vector<Moments> moments(groups);
    const auto look = [&](int thread, size_t w) {
      const auto keep = [&](int g, std::span<const float> input) {
        seen[static_cast<size_t>(thread)][static_cast<size_t>(g)].assign(input.begin(), input.end());
      };
      return unit.probe(thread).Inputs(hidden_[w], keep, next == nullptr ? nullptr : &(*next)[w]);
    };
    const auto add = [&](int thread, size_t) {
      for (size_t g = 0; g < groups; ++g)
        moments[g].AddInput(seen[static_cast<size_t>(thread)][g], unit.groups()[g].columns);
    };
    if (next != nullptr) next->resize(windows_.size());
    RETURN_IF_ERROR(InTurns(windows_.size(), unit.threads(), look, add));
    for (Moments& each : moments) each.Average();
    return moments;
  }

  const TensorInfo* Find(const Unit& unit, const std::string& role) const {
    for (const TensorInfo& tensor : unit.tensors) {
      if (tensor.quantizable && TensorRole(tensor.name) == role) return &tensor;
    }
    return nullptr;
  }

  // Quantized weights of a group at every type, and the errors they make on its inputs.
  absl::StatusOr<std::vector<Trial>> Try(const Unit& unit, const LinearGroup& group, const Moments& moments) {
    std::vector<Trial> trials;
    for (const TensorType type : MenuOf(group.columns)) {
      Trial trial = {type, 0, {}};
      for (const std::string& name : group.tensors) {
        const TensorInfo* tensor = Find(unit, TensorRole(name));
        if (tensor == nullptr) return Internal("{} is not in {}", name, unit.Label());
        const Eigen::VectorXf squares = moments.student.diagonal();
        importance_[tensor->name].assign(squares.begin(), squares.end());
        ASSIGN_OR_RETURN(const Matrix weights, ReadWeights(*tensor));
        ASSIGN_OR_RETURN(QuantizedMatrix quantized, RoundByMoments(weights, moments, type));
        const Matrix difference = weights - quantized.values;
        trial.error += static_cast<double>((difference * moments.student).cwiseProduct(difference).sum());
        trial.values.push_back(std::move(quantized.values));
      }
      trials.push_back(std::move(trial));
    }
    return trials;
  }

  static absl::Status Set(Crew& unit, const LinearGroup& group, const std::vector<Matrix>& values) {
    for (size_t i = 0; i < group.tensors.size(); ++i) {
      const std::span<const float> view(values[i].data(), static_cast<size_t>(values[i].size()));
      RETURN_IF_ERROR(unit.SetTensor(group.tensors[i], view));
    }
    return absl::OkStatus();
  }

  // What comes out of the unit for the probe windows with its weights as they are: a set of jobs, one a
  // window. Its place among the sets, as MeanOf takes it.
  absl::StatusOr<size_t> AddJobs(Crew& unit, std::vector<TailJob>& jobs) {
    const size_t first = jobs.size();
    jobs.resize(first + probed_.size());
    RETURN_IF_ERROR(ForEachWindow(probed_.size(), unit.threads(), [&](int thread, size_t p) -> absl::Status {
      ASSIGN_OR_RETURN(const auto output, unit.probe(thread).Output(ProbeRows(hidden_[probed_[p]])));
      jobs[first + p] = {p, {output.begin(), output.end()}, 0};
      return absl::OkStatus();
    }));
    return first / probed_.size();
  }

  absl::Status Restore(Crew& crew, const Unit& unit, const LinearGroup& group) {
    std::vector<Matrix> weights;
    for (const std::string& name : group.tensors) {
      ASSIGN_OR_RETURN(Matrix each, ReadWeights(*Find(unit, TensorRole(name))));
      weights.push_back(std::move(each));
    }
    return Set(crew, group, weights);
  }

  // A group of matrices, its errors, and its weights at the types that are run together with other groups'.
  struct Tried {
    GroupErrors errors;
    std::vector<Matrix> fine, coarse;
    size_t middle_set = 0, coarse_set = 0;  // of the jobs
  };

  absl::StatusOr<Tried> TryGroup(Crew& layer, const Unit& unit, const LinearGroup& group,
                                 const Moments& moments, std::vector<TailJob>& jobs) {
    ASSIGN_OR_RETURN(std::vector<Trial> trials, Try(unit, group, moments));
    if (trials.empty()) return InvalidArgument("no type fits {} of {}", group.tensors.front(), unit.Label());
    Tried tried;
    for (const Trial& trial : trials) {
      tried.errors.menu.push_back(trial.type);
      tried.errors.errors.push_back(trial.error);
    }
    const Rungs rungs = tried.errors.rungs = Rungs::Of(tried.errors.menu);
    RETURN_IF_ERROR(Set(layer, group, trials[rungs.middle].values));
    ASSIGN_OR_RETURN(tried.middle_set, AddJobs(layer, jobs));
    tried.coarse_set = tried.middle_set;
    if (rungs.HasCoarse()) {
      RETURN_IF_ERROR(Set(layer, group, trials[rungs.coarse].values));
      ASSIGN_OR_RETURN(tried.coarse_set, AddJobs(layer, jobs));
    }
    RETURN_IF_ERROR(Restore(layer, unit, group));
    tried.fine = trials[rungs.fine].values;
    tried.coarse = std::move(trials[rungs.coarse].values);
    return tried;
  }

  absl::StatusOr<UnitLoss> ProbeLayer(int u) {
    const Unit& unit = model_.units[static_cast<size_t>(u)];
    ASSIGN_OR_RETURN(Crew layer, LoadTeacherUnit(model_, u, rows_, threads_, dir_.path() / "unit.gguf"));
    std::vector<TailJob> jobs;
    std::vector<Tried> tried;
    HiddenStates next;
    ASSIGN_OR_RETURN(const std::vector<Moments> moments, InputMoments(layer, &next));
    for (size_t g = 0; g < moments.size(); ++g) {
      ASSIGN_OR_RETURN(Tried group, TryGroup(layer, unit, layer.groups()[g], moments[g], jobs));
      tried.push_back(std::move(group));
      RETURN_IF_ERROR(Report(0.1 * static_cast<double>(g + 1)));
    }
    const auto together = [&](std::vector<Matrix> Tried::*values) -> absl::StatusOr<size_t> {
      for (size_t g = 0; g < tried.size(); ++g)
        RETURN_IF_ERROR(Set(layer, layer.groups()[g], tried[g].*values));
      return AddJobs(layer, jobs);
    };
    ASSIGN_OR_RETURN(const size_t fine_set, together(&Tried::fine));
    ASSIGN_OR_RETURN(const size_t coarse_set, together(&Tried::coarse));
    hidden_ = std::move(next);
    RETURN_IF_ERROR(RunTail(u + 1, jobs));
    UnitLoss result = LossesOf(tried, jobs, MeanOf(jobs, fine_set), MeanOf(jobs, coarse_set));
    for (size_t g = 0; g < tried.size(); ++g) {
      for (const std::string& name : layer.groups()[g].tensors)
        result.groups[g].roles.push_back(TensorRole(name));
    }
    return result;
  }

  // From the KL of each group's jobs, and of all together at their fine and at their smallest types.
  UnitLoss LossesOf(std::vector<Tried>& tried, const std::vector<TailJob>& jobs, double fine_kl,
                    double coarse_kl) const {
    std::vector<GroupErrors> errors;
    std::vector<double> coarse;
    for (Tried& group : tried) {
      GroupErrors& each = errors.emplace_back(std::move(group.errors));
      each.middle_kl = MeanOf(jobs, group.middle_set);
      each.coarse_kl = MeanOf(jobs, group.coarse_set);
      coarse.push_back(each.coarse_kl);
    }
    const auto losses = LayerLosses(errors, fine_kl);
    UnitLoss result = {std::vector<GroupLoss>(tried.size()), OverlapOf(coarse, coarse_kl)};
    for (size_t g = 0; g < losses.size(); ++g) {
      for (size_t t = 0; t < losses[g].size(); ++t)
        result.groups[g].losses.emplace_back(errors[g].menu[t], losses[g][t]);
    }
    return result;
  }

  // Runs jobs from the input of `first_unit`, where hidden_ stands, to the end.
  absl::Status RunTail(int first_unit, std::vector<TailJob>& jobs) {
    ASSIGN_OR_RETURN(Tail tail, Tail::Load(model_, first_unit, rows_, options_.probe_rows, threads_,
                                           dir_.path() / "tail.gguf"));
    RETURN_IF_ERROR(tail.Refer(ProbeHidden()));
    return tail.Run(jobs, [&](double share) { return Report(0.4 + 0.6 * share); });
  }

  // Mean KL of the i-th set of jobs.
  double MeanOf(const std::vector<TailJob>& jobs, size_t i) const {
    double sum = 0;
    for (size_t p = 0; p < probed_.size(); ++p) sum += jobs[i * probed_.size() + p].kl;
    return sum / static_cast<double>(probed_.size());
  }

  // The head's matrix is applied once at the end: its KL at every type, from the logits themselves.
  absl::StatusOr<std::vector<GroupLoss>> ProbeHead(int u) {
    const Unit& unit = model_.units[static_cast<size_t>(u)];
    ASSIGN_OR_RETURN(Crew head, LoadTeacherUnit(model_, u, rows_, 1, dir_.path() / "unit.gguf"));
    ASSIGN_OR_RETURN(const std::vector<Moments> moments, InputMoments(head, nullptr));
    std::vector<GroupLoss> groups;
    for (size_t g = 0; g < moments.size(); ++g) {
      const LinearGroup& group = head.groups()[g];
      ASSIGN_OR_RETURN(const std::vector<Trial> trials, Try(unit, group, moments[g]));
      std::vector<std::vector<float>> reference(probed_.size());
      GroupLoss loss;
      for (size_t i = 0; i <= trials.size(); ++i) {  // the last is the teacher's turn, first
        double sum = 0;
        if (i > 0) RETURN_IF_ERROR(Set(head, group, trials[i - 1].values));
        for (size_t p = 0; p < probed_.size(); ++p) {
          const std::vector<float>& hidden = hidden_[probed_[p]];
          const auto width = static_cast<size_t>(model_.n_vocab), embd = static_cast<size_t>(model_.n_embd);
          std::vector<float> some;
          for (const size_t k :
               LateRows(ProbeRows(hidden).size() / embd, static_cast<size_t>(options_.probe_rows))) {
            const auto row = std::span(hidden).subspan(k * embd, embd);
            some.insert(some.end(), row.begin(), row.end());
          }
          ASSIGN_OR_RETURN(const auto logits, head.probe(0).Output(some));
          std::vector<float> found(logits.begin(), logits.end());
          LogSoftmax(found, width);
          if (i == 0) {
            reference[p] = std::move(found);
          } else {
            sum += MeanKl(reference[p], found, width);
          }
        }
        if (i > 0) loss.losses.emplace_back(trials[i - 1].type, sum / static_cast<double>(probed_.size()));
      }
      for (const std::string& name : group.tensors) loss.roles.push_back(TensorRole(name));
      groups.push_back(std::move(loss));
    }
    return groups;
  }

  // The embedding: looked up, so every type is run from the start.
  absl::StatusOr<std::vector<GroupLoss>> ProbeEmbedding() {
    const Unit& unit = model_.units.front();
    ASSIGN_OR_RETURN(Tail tail,
                     Tail::Load(model_, 1, rows_, options_.probe_rows, threads_, dir_.path() / "tail.gguf"));
    RETURN_IF_ERROR(tail.Refer(ProbeHidden()));
    std::vector<std::vector<int32_t>> probed;
    for (const size_t w : probed_) probed.push_back(windows_[w]);
    std::vector<GroupLoss> groups;
    for (const TensorInfo& tensor : unit.tensors) {
      if (!tensor.quantizable) continue;
      const std::vector<TensorType> menu = MenuOf(tensor.shape[0]);
      importance_[tensor.name].assign(static_cast<size_t>(tensor.shape[0]), 1.0F);
      std::vector<TailJob> jobs;
      for (const TensorType type : menu) {
        const TypeMix mix = {*ParseTensorType("f16"), {{TensorRole(tensor.name), type}}};
        const fs::path path = dir_.path() / "embedding.gguf";
        RETURN_IF_ERROR(
            WriteShard(model_, 0, 0, {&mix, 1}, path, nullptr, QuantizeByImportance(model_, importance_))
                .status());
        ASSIGN_OR_RETURN(const HiddenStates hidden, Embed(path, probed, threads_));
        for (size_t p = 0; p < probed.size(); ++p) {
          const auto rows = ProbeRows(hidden[p]);
          jobs.push_back({p, {rows.begin(), rows.end()}, 0});
        }
      }
      RETURN_IF_ERROR(tail.Run(jobs, [&](double share) { return Report(share); }));
      GroupLoss loss = {{TensorRole(tensor.name)}, {}};
      for (size_t i = 0; i < menu.size(); ++i) loss.losses.emplace_back(menu[i], MeanOf(jobs, i));
      groups.push_back(std::move(loss));
    }
    return groups;
  }

  // --- finished units on disk ---
  absl::Status Keep(int u, const UnitLoss& unit_loss) {
    kept_[u] = unit_loss;
    if (options_.work_file.empty()) return absl::OkStatus();
    Json json = {{"job", Job()}, {"units", Json::object()}, {"importance", ImportanceToJson(importance_)}};
    for (const auto& [unit, losses] : kept_) {
      Json list = Json::array();
      for (const GroupLoss& group : losses.groups) {
        Json types = Json::object();
        for (const auto& [type, loss] : group.losses) types[Name(type)] = loss;
        list.push_back({{"roles", group.roles}, {"losses", types}});
      }
      json["units"][std::to_string(unit)] = {{"overlap", losses.overlap}, {"groups", list}};
    }
    return WriteJson(options_.work_file, json);
  }

  void LoadKept() {
    if (options_.work_file.empty()) return;
    const auto json = ReadJson(options_.work_file);
    if (!json.ok() || !json->is_object() || json->value("job", "") != Job() || !(*json)["units"].is_object())
      return;
    for (const auto& [unit, kept] : (*json)["units"].items()) {
      UnitLoss losses;
      losses.overlap = kept["overlap"];
      for (const Json& entry : kept["groups"]) {
        GroupLoss group;
        for (const Json& role : entry["roles"]) group.roles.push_back(role);
        for (const auto& [name, loss] : entry["losses"].items()) {
          const auto type = ParseTensorType(name);
          if (type.ok() && loss.is_number()) group.losses.emplace_back(*type, loss.get<double>());
        }
        losses.groups.push_back(std::move(group));
      }
      kept_[std::atoi(unit.c_str())] = std::move(losses);
    }
    auto importance = ImportanceFromJson(JsonField(*json, options_.work_file.string()));
    if (importance.ok()) importance_ = *std::move(importance);
  }

  std::string Job() const {
    std::string text = fmt::format("8 {} {} {} {} {}", model_.name, model_.file_bytes, probed_.size(),
                                   options_.probe_tokens, options_.probe_rows);
    for (const auto& window : windows_) {
      text.append(reinterpret_cast<const char*>(window.data()), window.size() * sizeof(int32_t));
    }
    return Sha256(text);
  }

  const ModelInfo& model_;
  std::span<const std::vector<int32_t>> windows_;
  const SensitivityOptions& options_;
  TempDir dir_;
  std::vector<TensorType> grid_;
  int threads_ = 1;
  int64_t rows_ = 0;
  std::vector<size_t> probed_;  // windows that are run to the end
  HiddenStates hidden_;         // the teacher's, at the unit that is probed
  Importance importance_;
  SensitivityProgress progress_;
  int unit_ = 0;
  std::map<int, UnitLoss> kept_;
};

}  // namespace

absl::StatusOr<Sensitivity> MeasureSensitivity(const ModelInfo& model,
                                               std::span<const std::vector<int32_t>> windows,
                                               const SensitivityOptions& options,
                                               const SensitivityProgress& progress) {
  RETURN_IF_ERROR(CheckWindows(model, windows));
  ASSIGN_OR_RETURN(TempDir dir, TempDir::Create("dilemma-sensitivity"));
  return Prober(model, windows, options, std::move(dir)).Run(progress);
}

}  // namespace dilemma
