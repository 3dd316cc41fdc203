#include "distill/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "base/status.h"
#include "distill/calibration.h"
#include "distill/gptq.h"
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

// An error, and the KL that was measured with it.
struct Point {
  double error = 0, kl = 0;
};

// KL at any error: a power law between the points measured (by ascending error), and beyond them one whose
// exponent is kept within what is plausible. KL is of second order in a change of the weights, as the error
// is, so the exponent is near 1 for as long as errors are small.
double Interpolate(double error, std::vector<Point> points) {
  std::erase_if(points, [](const Point& point) { return point.error <= 0 || point.kl <= 0; });
  if (error <= 0 || points.empty()) return 0;
  if (points.size() == 1) return points[0].kl * error / points[0].error;
  size_t above = 1;
  while (above + 1 < points.size() && points[above].error < error) ++above;
  const Point &low = points[above - 1], &high = points[above];
  double power = 1;
  if (std::log(high.error / low.error) > 0.05) {
    power = std::log(high.kl / low.kl) / std::log(high.error / low.error);
    if (error < low.error || error > high.error || power < 0.5) power = std::clamp(power, 0.7, 1.5);
  }
  // Through the point with the larger KL, which is measured best, or the one that lies beside what is beyond.
  const Point& from = error <= low.error ? low : high;
  return from.kl * std::pow(error / from.error, power);
}

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
    probes_ = std::clamp<size_t>(static_cast<size_t>(options.probe_windows), 1, windows.size());
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
      std::vector<GroupLoss> groups;
      if (kept_.contains(u)) {
        groups = kept_[u];
        if (unit.kind == UnitKind::kLayer) RETURN_IF_ERROR(Skip(u));
      } else if (unit.kind == UnitKind::kEmbedding) {
        ASSIGN_OR_RETURN(groups, ProbeEmbedding());
      } else {
        ASSIGN_OR_RETURN(groups, ProbeUnit(u));
      }
      RETURN_IF_ERROR(Keep(u, groups));
      table.units.push_back({unit.Label(), MixesOf(unit, groups, options_.max_choices)});
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

  // The probe windows' first tokens, of the hidden states.
  std::span<const float> ProbeRows(const std::vector<float>& hidden) const {
    const size_t most = static_cast<size_t>(options_.probe_tokens) * static_cast<size_t>(model_.n_embd);
    return std::span(hidden).subspan(0, std::min(most, hidden.size()));
  }
  std::vector<std::vector<float>> ProbeHidden() const {
    std::vector<std::vector<float>> hidden;
    for (size_t w = 0; w < probes_; ++w) {
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

  absl::StatusOr<Moments> InputMoments(Crew& unit, int group) {
    std::vector<std::span<const float>> seen(static_cast<size_t>(unit.threads()));
    Moments moments;
    const int64_t columns = unit.groups()[static_cast<size_t>(group)].columns;
    const auto look = [&](int thread, size_t w) -> absl::Status {
      ASSIGN_OR_RETURN(seen[static_cast<size_t>(thread)], unit.probe(thread).InputOf(hidden_[w], group));
      return absl::OkStatus();
    };
    const auto add = [&](int thread, size_t) {
      moments.AddInput(seen[static_cast<size_t>(thread)], columns);
    };
    RETURN_IF_ERROR(InTurns(windows_.size(), unit.threads(), look, add));
    moments.Average();
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

  // What comes out of the unit for the probe windows with the group's weights as given.
  absl::Status AddJobs(Crew& unit, const LinearGroup& group, const std::vector<Matrix>& values,
                       std::vector<TailJob>& jobs) {
    for (size_t i = 0; i < group.tensors.size(); ++i) {
      const std::span<const float> view(values[i].data(), static_cast<size_t>(values[i].size()));
      RETURN_IF_ERROR(unit.SetTensor(group.tensors[i], view));
    }
    const size_t first = jobs.size();
    jobs.resize(first + probes_);
    return ForEachWindow(probes_, unit.threads(), [&](int thread, size_t w) -> absl::Status {
      ASSIGN_OR_RETURN(const auto output, unit.probe(thread).Output(ProbeRows(hidden_[w])));
      jobs[first + w] = {w, {output.begin(), output.end()}, 0};
      return absl::OkStatus();
    });
  }

  absl::Status Restore(Crew& crew, const Unit& unit, const LinearGroup& group) {
    for (const std::string& name : group.tensors) {
      ASSIGN_OR_RETURN(const Matrix weights, ReadWeights(*Find(unit, TensorRole(name))));
      RETURN_IF_ERROR(crew.SetTensor(name, {weights.data(), static_cast<size_t>(weights.size())}));
    }
    return absl::OkStatus();
  }

  // Errors of a group at each type, and those of the types that are measured end to end.
  struct Measured {
    GroupLoss loss;              // errors at first
    std::vector<double> probed;  // ascending errors, of as many sets of jobs
  };

  // The types near 5.5 and 4.5 bits, and the smallest where it is smaller still.
  static std::vector<const Trial*> Probed(const std::vector<Trial>& trials) {
    std::vector<const Trial*> probed;
    for (const double bits : {5.5, 4.5, 0.0}) {
      const Trial* nearest =
          &*std::min_element(trials.begin(), trials.end(), [&](const Trial& a, const Trial& b) {
            return std::abs(BitsPerWeight(a.type) - bits) < std::abs(BitsPerWeight(b.type) - bits);
          });
      if (bits == 0 && BitsPerWeight(nearest->type) > 4) continue;
      if (std::find(probed.begin(), probed.end(), nearest) == probed.end()) probed.push_back(nearest);
    }
    std::stable_sort(probed.begin(), probed.end(),
                     [](const Trial* a, const Trial* b) { return a->error < b->error; });
    return probed;
  }

  absl::StatusOr<Measured> TryGroup(Crew& layer, const Unit& unit, int g, std::vector<TailJob>& jobs) {
    const LinearGroup& group = layer.groups()[static_cast<size_t>(g)];
    ASSIGN_OR_RETURN(const Moments moments, InputMoments(layer, g));
    ASSIGN_OR_RETURN(const std::vector<Trial> trials, Try(unit, group, moments));
    if (trials.empty()) return InvalidArgument("no type fits {} of {}", group.tensors.front(), unit.Label());
    Measured measured;
    for (const Trial* trial : Probed(trials)) {
      measured.probed.push_back(trial->error);
      RETURN_IF_ERROR(AddJobs(layer, group, trial->values, jobs));
    }
    RETURN_IF_ERROR(Restore(layer, unit, group));
    for (const std::string& name : group.tensors) measured.loss.roles.push_back(TensorRole(name));
    for (const Trial& trial : trials) measured.loss.losses.emplace_back(trial.type, trial.error);
    return measured;
  }

  absl::StatusOr<std::vector<GroupLoss>> ProbeUnit(int u) {
    const Unit& unit = model_.units[static_cast<size_t>(u)];
    if (unit.kind == UnitKind::kHead) return ProbeHead(u);
    ASSIGN_OR_RETURN(Crew layer, LoadTeacherUnit(model_, u, rows_, threads_, dir_.path() / "unit.gguf"));
    std::vector<TailJob> jobs;
    std::vector<Measured> measured;
    for (int g = 0; g < static_cast<int>(layer.groups().size()); ++g) {
      ASSIGN_OR_RETURN(Measured group, TryGroup(layer, unit, g, jobs));
      measured.push_back(std::move(group));
      RETURN_IF_ERROR(Report(0.1 * (g + 1)));
    }
    RETURN_IF_ERROR(MoveOn(layer, hidden_));
    RETURN_IF_ERROR(RunTail(u + 1, jobs));
    std::vector<GroupLoss> groups;
    size_t set = 0;
    for (Measured& group : measured) {
      std::vector<Point> points;
      for (const double error : group.probed) points.push_back({error, MeanOf(jobs, set++)});
      for (auto& [type, loss] : group.loss.losses) loss = Interpolate(loss, points);
      groups.push_back(std::move(group.loss));
    }
    return groups;
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
    for (size_t w = 0; w < probes_; ++w) sum += jobs[i * probes_ + w].kl;
    return sum / static_cast<double>(probes_);
  }

  // The head's matrix is applied once at the end: its KL at every type, from the logits themselves.
  absl::StatusOr<std::vector<GroupLoss>> ProbeHead(int u) {
    const Unit& unit = model_.units[static_cast<size_t>(u)];
    ASSIGN_OR_RETURN(Crew head, LoadTeacherUnit(model_, u, rows_, 1, dir_.path() / "unit.gguf"));
    std::vector<GroupLoss> groups;
    for (int g = 0; g < static_cast<int>(head.groups().size()); ++g) {
      const LinearGroup& group = head.groups()[static_cast<size_t>(g)];
      ASSIGN_OR_RETURN(const Moments moments, InputMoments(head, g));
      ASSIGN_OR_RETURN(const std::vector<Trial> trials, Try(unit, group, moments));
      std::vector<std::vector<float>> reference(probes_);
      GroupLoss loss;
      for (size_t i = 0; i <= trials.size(); ++i) {  // the last is the teacher's turn, first
        double sum = 0;
        if (i > 0) {
          for (size_t m = 0; m < group.tensors.size(); ++m) {
            const Matrix& values = trials[i - 1].values[m];
            RETURN_IF_ERROR(
                head.SetTensor(group.tensors[m], {values.data(), static_cast<size_t>(values.size())}));
          }
        }
        for (size_t w = 0; w < probes_; ++w) {
          const auto width = static_cast<size_t>(model_.n_vocab), embd = static_cast<size_t>(model_.n_embd);
          std::vector<float> some;
          for (const size_t k :
               SpreadRows(ProbeRows(hidden_[w]).size() / embd, static_cast<size_t>(options_.probe_rows))) {
            const auto row = std::span(hidden_[w]).subspan(k * embd, embd);
            some.insert(some.end(), row.begin(), row.end());
          }
          ASSIGN_OR_RETURN(const auto logits, head.probe(0).Output(some));
          std::vector<float> found(logits.begin(), logits.end());
          LogSoftmax(found, width);
          if (i == 0) {
            reference[w] = std::move(found);
          } else {
            sum += MeanKl(reference[w], found, width);
          }
        }
        if (i > 0) loss.losses.emplace_back(trials[i - 1].type, sum / static_cast<double>(probes_));
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
        ASSIGN_OR_RETURN(const HiddenStates hidden, Embed(path, windows_.subspan(0, probes_), threads_));
        for (size_t w = 0; w < probes_; ++w) {
          const auto rows = ProbeRows(hidden[w]);
          jobs.push_back({w, {rows.begin(), rows.end()}, 0});
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
  absl::Status Keep(int u, const std::vector<GroupLoss>& groups) {
    kept_[u] = groups;
    if (options_.work_file.empty()) return absl::OkStatus();
    Json json = {{"job", Job()}, {"units", Json::object()}, {"importance", ImportanceToJson(importance_)}};
    for (const auto& [unit, losses] : kept_) {
      Json list = Json::array();
      for (const GroupLoss& group : losses) {
        Json types = Json::object();
        for (const auto& [type, loss] : group.losses) types[Name(type)] = loss;
        list.push_back({{"roles", group.roles}, {"losses", types}});
      }
      json["units"][std::to_string(unit)] = list;
    }
    return WriteJson(options_.work_file, json);
  }

  void LoadKept() {
    if (options_.work_file.empty()) return;
    const auto json = ReadJson(options_.work_file);
    if (!json.ok() || !json->is_object() || json->value("job", "") != Job() || !(*json)["units"].is_object())
      return;
    for (const auto& [unit, list] : (*json)["units"].items()) {
      std::vector<GroupLoss> groups;
      for (const Json& entry : list) {
        GroupLoss group;
        for (const Json& role : entry["roles"]) group.roles.push_back(role);
        for (const auto& [name, loss] : entry["losses"].items()) {
          const auto type = ParseTensorType(name);
          if (type.ok() && loss.is_number()) group.losses.emplace_back(*type, loss.get<double>());
        }
        groups.push_back(std::move(group));
      }
      kept_[std::atoi(unit.c_str())] = std::move(groups);
    }
    auto importance = ImportanceFromJson(JsonField(*json, options_.work_file.string()));
    if (importance.ok()) importance_ = *std::move(importance);
  }

  std::string Job() const {
    std::string text = fmt::format("2 {} {} {} {} {}", model_.name, model_.file_bytes, probes_,
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
  size_t probes_ = 1;
  HiddenStates hidden_;  // the teacher's, at the unit that is probed
  Importance importance_;
  SensitivityProgress progress_;
  int unit_ = 0;
  std::map<int, std::vector<GroupLoss>> kept_;
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
