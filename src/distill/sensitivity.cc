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
#include "distill/mixes.h"
#include "distill/moments.h"
#include "engine/stage.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"
#include "quantizer/tensor_codec.h"
#include "quantizer/weight_loss.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

// Rows of logits as log probabilities.
void LogSoftmax(std::span<float> rows, size_t width) {
  for (size_t start = 0; start < rows.size(); start += width) {
    const auto row = rows.subspan(start, width);
    const float most = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (const float value : row) sum += std::exp(value - most);
    const auto shift = static_cast<float>(most + std::log(sum));
    for (float& value : row) value -= shift;
  }
}

// The units after the one that is probed, as stages: one a thread.
class Tail {
 public:
  static absl::StatusOr<Tail> Load(const ModelInfo& model, int first_unit, int64_t rows, int64_t outputs,
                                   int threads, const fs::path& path) {
    Tail tail;
    tail.outputs_ = outputs;
    ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f16"));
    const int last = static_cast<int>(model.units.size()) - 1;
    const std::vector<TypeMix> types(static_cast<size_t>(last - first_unit + 1), wide);
    RETURN_IF_ERROR(WriteShard(model, first_unit, last, types, path).status());
    for (int t = 0; t < threads; ++t) {
      ASSIGN_OR_RETURN(
          auto stage,
          Stage::Load(
              path, {.context = rows, .sequences = 1, .max_batch = rows, .threads = 1, .all_logits = true}));
      tail.stages_.push_back(std::move(stage));
    }
    return tail;
  }

  // Log probabilities at `outputs` evenly spread positions.
  absl::StatusOr<std::vector<float>> Run(int thread, std::span<const float> hidden) {
    Stage& stage = *stages_[static_cast<size_t>(thread)];
    const size_t rows = hidden.size() / static_cast<size_t>(stage.n_embd());
    std::vector<RowPlace> places(rows);
    std::vector<int8_t> wanted(rows, 0);
    for (size_t i = 0; i < rows; ++i) places[i].position = static_cast<int32_t>(i);
    const auto outputs = static_cast<size_t>(std::min<int64_t>(outputs_, static_cast<int64_t>(rows)));
    for (size_t i = 0; i < outputs; ++i) wanted[(i + 1) * rows / outputs - 1] = 1;
    RETURN_IF_ERROR(stage.Truncate(0, 0));
    ASSIGN_OR_RETURN(const auto logits,
                     stage.Run({.rows = places, .tokens = {}, .hidden = hidden, .want_logits = wanted}));
    std::vector<float> result(logits.begin(), logits.end());
    LogSoftmax(result, static_cast<size_t>(stage.n_vocab()));
    return result;
  }

 private:
  int64_t outputs_ = 0;
  std::vector<std::unique_ptr<Stage>> stages_;
};

double MeanKl(std::span<const float> p, std::span<const float> q, size_t width) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    sum += std::exp(static_cast<double>(p[i])) * (static_cast<double>(p[i]) - static_cast<double>(q[i]));
  }
  return sum * static_cast<double>(width) / static_cast<double>(p.size());
}

// KL at any error from two points measured, as a power law; its exponent is kept within what is plausible.
double Interpolate(double error, double error_a, double kl_a, double error_b, double kl_b) {
  if (error <= 0) return 0;
  if (error_a <= 0 || error_b <= 0 || kl_a <= 0 || kl_b <= 0 ||
      std::abs(std::log(error_a / error_b)) < 0.05) {
    return error_a > 0 ? std::max(kl_a, 0.0) * error / error_a : 0;
  }
  const double power = std::clamp(std::log(kl_a / kl_b) / std::log(error_a / error_b), 0.7, 1.5);
  // Through the point with the larger KL, which is measured best.
  return kl_a > kl_b ? kl_a * std::pow(error / error_a, power) : kl_b * std::pow(error / error_b, power);
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

  absl::StatusOr<QualityTable> Run(const SensitivityProgress& progress) {
    QualityTable table;
    table.kind = LossKind::kMeasured;
    table.model = model_.name;
    const int last = static_cast<int>(model_.units.size()) - 1;
    LoadKept();
    const fs::path path = dir_.path() / "embedding.gguf";
    ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f32"));
    RETURN_IF_ERROR(WriteShard(model_, 0, 0, {&wide, 1}, path).status());
    ASSIGN_OR_RETURN(hidden_, Embed(path, windows_, threads_));
    for (int u = 0; u <= last; ++u) {
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
      if (progress && !progress({u + 1, last + 1, unit.Label()})) return absl::CancelledError("interrupted");
    }
    return table;
  }

 private:
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
    std::vector<Moments> parts(static_cast<size_t>(unit.threads()));
    const int64_t columns = unit.groups()[static_cast<size_t>(group)].columns;
    RETURN_IF_ERROR(ForEachWindow(windows_.size(), unit.threads(), [&](int thread, size_t w) -> absl::Status {
      ASSIGN_OR_RETURN(const auto x, unit.probe(thread).InputOf(hidden_[w], group));
      parts[static_cast<size_t>(thread)].AddInput(x, columns);
      return absl::OkStatus();
    }));
    for (size_t t = 1; t < parts.size(); ++t) parts[0].Merge(parts[t]);
    parts[0].Average();
    return std::move(parts[0]);
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
    Eigen::VectorXf importance = moments.student.diagonal();
    importance.array() += 1e-3F * importance.mean();
    for (const TensorType type : MenuOf(group.columns)) {
      Trial trial = {type, 0, {}};
      for (const std::string& name : group.tensors) {
        const TensorInfo* tensor = Find(unit, TensorRole(name));
        if (tensor == nullptr) return Internal("{} is not in {}", name, unit.Label());
        ASSIGN_OR_RETURN(const Matrix weights, ReadWeights(*tensor));
        ASSIGN_OR_RETURN(
            QuantizedMatrix quantized,
            RoundWithImportance(weights, {importance.data(), static_cast<size_t>(importance.size())}, type));
        const Matrix difference = weights - quantized.values;
        trial.error += static_cast<double>((difference * moments.student).cwiseProduct(difference).sum());
        trial.values.push_back(std::move(quantized.values));
      }
      trials.push_back(std::move(trial));
    }
    return trials;
  }

  // Mean KL of the probe windows with the group's weights as given; restores the teacher's.
  absl::StatusOr<double> KlOf(Crew& unit, const LinearGroup& group, const std::vector<Matrix>& values,
                              Tail* tail) {
    for (size_t i = 0; i < group.tensors.size(); ++i) {
      const std::span<const float> view(values[i].data(), static_cast<size_t>(values[i].size()));
      RETURN_IF_ERROR(unit.SetTensor(group.tensors[i], view));
    }
    std::vector<double> kl(probes_);
    RETURN_IF_ERROR(ForEachWindow(probes_, unit.threads(), [&](int thread, size_t w) -> absl::Status {
      ASSIGN_OR_RETURN(const auto output, unit.probe(thread).Output(hidden_[w]));
      ASSIGN_OR_RETURN(const std::vector<float> found, tail->Run(thread, output));
      kl[w] = MeanKl(reference_[w], found, static_cast<size_t>(model_.n_vocab));
      return absl::OkStatus();
    }));
    return std::accumulate(kl.begin(), kl.end(), 0.0) / static_cast<double>(kl.size());
  }

  absl::Status Restore(Crew& crew, const Unit& unit, const LinearGroup& group) {
    for (const std::string& name : group.tensors) {
      ASSIGN_OR_RETURN(const Matrix weights, ReadWeights(*Find(unit, TensorRole(name))));
      RETURN_IF_ERROR(crew.SetTensor(name, {weights.data(), static_cast<size_t>(weights.size())}));
    }
    return absl::OkStatus();
  }

  absl::Status MeasureReference(Crew& unit, Tail& tail) {
    reference_.resize(probes_);
    return ForEachWindow(probes_, unit.threads(), [&](int thread, size_t w) -> absl::Status {
      ASSIGN_OR_RETURN(const auto output, unit.probe(thread).Output(hidden_[w]));
      ASSIGN_OR_RETURN(reference_[w], tail.Run(thread, output));
      return absl::OkStatus();
    });
  }

  absl::StatusOr<std::vector<GroupLoss>> ProbeUnit(int u) {
    const Unit& unit = model_.units[static_cast<size_t>(u)];
    if (unit.kind == UnitKind::kHead) return ProbeHead(u);
    ASSIGN_OR_RETURN(Crew layer, LoadTeacherUnit(model_, u, rows_, threads_, dir_.path() / "unit.gguf"));
    ASSIGN_OR_RETURN(Tail tail, Tail::Load(model_, u + 1, rows_, options_.probe_rows, threads_,
                                           dir_.path() / "tail.gguf"));
    RETURN_IF_ERROR(MeasureReference(layer, tail));
    std::vector<GroupLoss> groups;
    for (int g = 0; g < static_cast<int>(layer.groups().size()); ++g) {
      const LinearGroup& group = layer.groups()[static_cast<size_t>(g)];
      ASSIGN_OR_RETURN(const Moments moments, InputMoments(layer, g));
      ASSIGN_OR_RETURN(const std::vector<Trial> trials, Try(unit, group, moments));
      ASSIGN_OR_RETURN(GroupLoss loss, Calibrate(trials, [&](const Trial& trial) {
                         return KlOf(layer, group, trial.values, &tail);
                       }));
      RETURN_IF_ERROR(Restore(layer, unit, group));
      for (const std::string& name : group.tensors) loss.roles.push_back(TensorRole(name));
      groups.push_back(std::move(loss));
    }
    RETURN_IF_ERROR(MoveOn(layer, hidden_));
    return groups;
  }

  // KL at two types, the others by their errors.
  absl::StatusOr<GroupLoss> Calibrate(const std::vector<Trial>& trials,
                                      const std::function<absl::StatusOr<double>(const Trial&)>& kl_of) {
    GroupLoss loss;
    if (trials.empty()) return loss;
    const auto nearest = [&](double bits) -> const Trial& {
      return *std::min_element(trials.begin(), trials.end(), [&](const Trial& a, const Trial& b) {
        return std::abs(BitsPerWeight(a.type) - bits) < std::abs(BitsPerWeight(b.type) - bits);
      });
    };
    const Trial& low = nearest(4.5);
    const Trial& high = nearest(5.5);
    ASSIGN_OR_RETURN(const double kl_low, kl_of(low));
    ASSIGN_OR_RETURN(const double kl_high, kl_of(high));
    for (const Trial& trial : trials) {
      loss.losses.emplace_back(trial.type, Interpolate(trial.error, low.error, kl_low, high.error, kl_high));
    }
    return loss;
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
          const size_t rows = hidden_[w].size() / embd,
                       count = std::min<size_t>(rows, static_cast<size_t>(options_.probe_rows));
          for (size_t k = 0; k < count; ++k) {
            const auto row = std::span(hidden_[w]).subspan(((k + 1) * rows / count - 1) * embd, embd);
            some.insert(some.end(), row.begin(), row.end());
          }
          ASSIGN_OR_RETURN(const auto logits, head.probe(0).Output(some));
          std::vector<float> found(logits.begin(), logits.end());
          LogSoftmax(found, width);
          if (i == 0) reference[w] = std::move(found);
          if (i > 0) sum += MeanKl(reference[w], found, width);
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
    std::vector<std::vector<float>> reference;
    for (size_t w = 0; w < probes_; ++w) {
      ASSIGN_OR_RETURN(auto found, tail.Run(0, hidden_[w]));
      reference.push_back(std::move(found));
    }
    std::vector<GroupLoss> groups;
    for (const TensorInfo& tensor : unit.tensors) {
      if (!tensor.quantizable) continue;
      GroupLoss loss = {{TensorRole(tensor.name)}, {}};
      for (const TensorType type : MenuOf(tensor.shape[0])) {
        const TypeMix mix = {*ParseTensorType("f16"), {{TensorRole(tensor.name), type}}};
        const fs::path path = dir_.path() / "embedding.gguf";
        RETURN_IF_ERROR(WriteShard(model_, 0, 0, {&mix, 1}, path).status());
        ASSIGN_OR_RETURN(const HiddenStates hidden, Embed(path, windows_.subspan(0, probes_), threads_));
        double sum = 0;
        for (size_t w = 0; w < probes_; ++w) {
          ASSIGN_OR_RETURN(const auto found, tail.Run(0, hidden[w]));
          sum += MeanKl(reference[w], found, static_cast<size_t>(model_.n_vocab));
        }
        loss.losses.emplace_back(type, sum / static_cast<double>(probes_));
      }
      groups.push_back(std::move(loss));
    }
    return groups;
  }

  // --- finished units on disk ---
  absl::Status Keep(int u, const std::vector<GroupLoss>& groups) {
    kept_[u] = groups;
    if (options_.work_file.empty()) return absl::OkStatus();
    Json json = {{"job", Job()}, {"units", Json::object()}};
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
  }

  std::string Job() const {
    std::string text =
        fmt::format("1 {} {} {} {}", model_.name, model_.file_bytes, probes_, options_.probe_rows);
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
  HiddenStates hidden_;                        // the teacher's, at the unit that is probed
  std::vector<std::vector<float>> reference_;  // log probabilities of the probe windows
  std::map<int, std::vector<GroupLoss>> kept_;
};

}  // namespace

absl::StatusOr<QualityTable> MeasureSensitivity(const ModelInfo& model,
                                                std::span<const std::vector<int32_t>> windows,
                                                const SensitivityOptions& options,
                                                const SensitivityProgress& progress) {
  RETURN_IF_ERROR(CheckWindows(model, windows));
  ASSIGN_OR_RETURN(TempDir dir, TempDir::Create("dilemma-sensitivity"));
  return Prober(model, windows, options, std::move(dir)).Run(progress);
}

}  // namespace dilemma
