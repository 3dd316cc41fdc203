#include "distill/distill.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <thread>

#include "base/file.h"
#include "base/status.h"
#include "distill/calibration.h"
#include "distill/linear_distiller.h"
#include "model/gguf_reader.h"
#include "quantizer/tensor_codec.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

// What a layer's matrices may choose from.
constexpr LinearRecipe kRecipes[] = {{0.25, 0.5}, {0.05, 0.5}, {1.0, 0.5}, {1.0, 0}, {.plain = true}};

absl::StatusOr<Matrix> ReadWeights(const ModelInfo& model, const TensorInfo& tensor) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadTensorBytes(model.path, tensor));
  const std::vector<float> values = Dequantize(bytes, tensor.type, tensor.shape[0]);
  return Matrix(MatrixView(values.data(), tensor.rows(), tensor.shape[0]));
}

Matrix Decode(std::string_view bytes, TensorType type, int64_t columns) {
  const std::vector<float> values = Dequantize(bytes, type, columns);
  return MatrixView(values.data(), static_cast<int64_t>(values.size()) / columns, columns);
}

std::span<const float> View(const Matrix& matrix) {
  return {matrix.data(), static_cast<size_t>(matrix.size())};
}

class Distiller {
 public:
  Distiller(const ModelInfo& model, std::span<const TypeMix> types,
            std::span<const std::vector<int32_t>> windows, const DistillOptions& options, TempDir dir)
      : model_(model), types_(types), windows_(windows), options_(options), dir_(std::move(dir)) {
    threads_ = options.threads > 0 ? options.threads
                                   : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    rows_ = LongestWindow(windows);
    period_ =
        options.held_out > 0 ? std::max(2, static_cast<int>(std::lround(1 / options.held_out))) : 1 << 30;
    tied_ = model.tied_head && types.front().For("token_embd") == types.back().For("output");
  }

  absl::StatusOr<ShardInfo> Run(const fs::path& path, const DistillProgress& progress) {
    progress_ = progress;
    RETURN_IF_ERROR(StartTeacher());
    RETURN_IF_ERROR(DoEmbedding());
    const int layers = static_cast<int>(model_.n_layer);
    for (int u = 1; u <= layers; ++u) RETURN_IF_ERROR(DoLayer(u));
    RETURN_IF_ERROR(DoHead());
    return WriteWholeFrom(
        model_, types_, [this](const TensorInfo& tensor, TensorType) { return BytesOf(tensor); }, tied_,
        path);
  }

 private:
  const Unit& UnitAt(int u) const { return model_.units[static_cast<size_t>(u)]; }
  TensorType TypeOf(int u, const TensorInfo& tensor) const {
    return types_[static_cast<size_t>(u)].For(TensorRole(tensor.name));
  }

  // A tied head's matrix is the embedding's.
  bool IsOwn(const TensorInfo& tensor) const {
    return tensor.quantizable && !(tied_ && tensor.name == "output.weight");
  }

  absl::StatusOr<std::string> BytesOf(const TensorInfo& tensor) const {
    const auto found = bytes_.find(tensor.name);
    if (found == bytes_.end()) return Internal("{} was not distilled", tensor.name);
    return found->second;
  }

  absl::Status Report(int u, const std::string& note, double part = 1) {
    const DistillEvent event = {part < 1 ? u : u + 1, static_cast<int>(model_.units.size()),
                                part < 1 ? part : 0, UnitAt(u).Label(), note};
    if (progress_ && !progress_(event)) return absl::CancelledError("interrupted");
    return absl::OkStatus();
  }

  // --- finished units on disk ---
  fs::path KeptPath(int u) const { return options_.work_dir / fmt::format("unit-{}.bin", u); }

  // Takes the unit's matrices from work_dir; false where they are not there.
  bool TakeUp(int u) {
    if (options_.work_dir.empty()) return false;
    const auto kept = ReadFile(KeptPath(u));
    if (!kept.ok()) return false;
    size_t at = 0;
    std::map<std::string, std::string> found;
    for (const TensorInfo& tensor : UnitAt(u).tensors) {
      if (!IsOwn(tensor)) continue;
      const auto size = static_cast<size_t>(RowBytes(TypeOf(u, tensor), tensor.shape[0]) * tensor.rows());
      if (at + size > kept->size()) return false;
      found[tensor.name] = kept->substr(at, size);
      at += size;
    }
    if (at != kept->size()) return false;
    bytes_.merge(found);
    return true;
  }

  absl::Status Keep(int u) {
    if (options_.work_dir.empty()) return absl::OkStatus();
    std::string all;
    for (const TensorInfo& tensor : UnitAt(u).tensors) {
      if (IsOwn(tensor)) all += bytes_.at(tensor.name);
    }
    return WriteFileAtomically(KeptPath(u), all);
  }

  // --- moments ---
  bool HeldOut(size_t window) const { return static_cast<int>(window) % period_ == period_ - 1; }

  struct Split {
    Moments train, held_out;
  };

  // What a window has at a group's input.
  struct Seen {
    std::vector<float> teacher, student, lacking;
  };

  // What an error at each row counts where it is added to the residual stream: the next norm divides it by
  // the stream's size there, which is hundreds of times the usual at a text's first token. Square roots;
  // empty where there is no stream.
  std::vector<float> StreamWeights(std::span<const float> before, std::span<const float> after) const {
    const auto width = static_cast<size_t>(model_.n_embd);
    std::vector<float> size(before.size() / width);
    for (size_t row = 0; row < size.size(); ++row) {
      float a = 0, b = 0;
      for (size_t i = row * width; i < (row + 1) * width; ++i)
        a += before[i] * before[i], b += after[i] * after[i];
      size[row] = std::max(a, b);
    }
    if (size.empty()) return {};
    std::vector<float> sorted = size;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2),
                     sorted.end());
    const float usual = sorted[sorted.size() / 2];
    for (float& value : size) value = std::sqrt(std::min(usual / std::max(value, 1e-30F), 4.0F));
    return size;
  }

  static void ScaleRows(std::span<const float> weights, std::vector<float>& rows) {
    if (weights.empty()) return;
    const size_t width = rows.size() / weights.size();
    for (size_t i = 0; i < rows.size(); ++i) rows[i] *= weights[i / width];
  }

  // Moments of a group's inputs. `next`, where given, gets what comes out of the teacher.
  absl::StatusOr<Split> Measure(Crew& teacher, Crew& student, int group, HiddenStates* next = nullptr) {
    std::vector<Seen> seen(static_cast<size_t>(teacher.threads()));
    Split split;
    const int64_t columns = teacher.groups()[static_cast<size_t>(group)].columns;
    if (next != nullptr) next->resize(teacher_.size());
    const auto look = [&](int thread, size_t w) -> absl::Status {
      Seen& at = seen[static_cast<size_t>(thread)];
      std::vector<float>* output = next != nullptr ? &(*next)[w] : nullptr;
      ASSIGN_OR_RETURN(const auto x, teacher.probe(thread).InputOf(teacher_[w], group, output));
      at.teacher.assign(x.begin(), x.end());
      const auto carried = teacher.probe(thread).Residual();
      at.lacking.assign(carried.begin(), carried.end());
      ASSIGN_OR_RETURN(const auto y, student.probe(thread).InputOf(student_[w], group));
      at.student.assign(y.begin(), y.end());
      const auto got = student.probe(thread).Residual();
      const std::vector<float> weights = StreamWeights(carried, output != nullptr ? *output : carried);
      for (size_t i = 0; i < at.lacking.size(); ++i) at.lacking[i] -= got[i];
      for (std::vector<float>* rows : {&at.teacher, &at.student, &at.lacking}) ScaleRows(weights, *rows);
      return absl::OkStatus();
    };
    const auto add = [&](int thread, size_t w) {
      const Seen& at = seen[static_cast<size_t>(thread)];
      (HeldOut(w) ? split.held_out : split.train)
          .Add(at.teacher, at.student, at.lacking, columns, model_.n_embd);
    };
    RETURN_IF_ERROR(InTurns(teacher_.size(), teacher.threads(), look, add));
    split.train.Average();
    split.held_out.Average();
    return split;
  }

  // --- units ---
  absl::Status StartTeacher() {
    ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f32"));
    const fs::path path = dir_.path() / "embedding.gguf";
    RETURN_IF_ERROR(WriteShard(model_, 0, 0, {&wide, 1}, path).status());
    ASSIGN_OR_RETURN(teacher_, Embed(path, windows_, threads_));
    return absl::OkStatus();
  }

  // Second moments of the head's input, from the teacher alone.
  absl::StatusOr<Split> HeadMoments() {
    HiddenStates start = std::move(teacher_);
    constexpr size_t kEnough =
        8;  // windows: the rows are many, and the head's input varies less than a layer's
    teacher_.assign(start.begin(),
                    start.begin() + static_cast<std::ptrdiff_t>(std::min(kEnough, start.size())));
    for (int u = 1; u <= static_cast<int>(model_.n_layer); ++u) {
      ASSIGN_OR_RETURN(Crew layer, LoadTeacherUnit(model_, u, rows_, threads_, teacher_path_));
      RETURN_IF_ERROR(MoveOn(layer, teacher_));
    }
    ASSIGN_OR_RETURN(Crew head, LoadHead());
    student_ = teacher_;
    const int matrix = static_cast<int>(head.groups().size()) - 1;  // OPT's may have a projection before it
    absl::StatusOr<Split> split = Measure(head, head, matrix);
    teacher_ = start;
    return split;
  }

  // The probe's own matrix is never run: its norm is.
  absl::StatusOr<Crew> LoadHead() {
    const int last = static_cast<int>(model_.units.size()) - 1;
    const TypeMix mix = {UnitAt(last).tensors.back().type, {}};
    const fs::path path = dir_.path() / "head.gguf";
    RETURN_IF_ERROR(WriteShard(model_, last, last, {&mix, 1}, path).status());
    return Crew::Load(path, rows_, threads_);
  }

  absl::Status DoEmbedding() {
    const bool kept = TakeUp(0);
    if (!kept) {
      for (const TensorInfo& tensor : UnitAt(0).tensors) {
        if (tensor.quantizable) RETURN_IF_ERROR(DoEmbeddingMatrix(tensor));
      }
      RETURN_IF_ERROR(Keep(0));
    }
    const fs::path path = dir_.path() / "embedding.gguf";
    const auto bytes = [this](const TensorInfo& tensor, TensorType) { return BytesOf(tensor); };
    RETURN_IF_ERROR(WriteShard(model_, 0, 0, types_.subspan(0, 1), path, nullptr, bytes).status());
    ASSIGN_OR_RETURN(student_, Embed(path, windows_, threads_));
    return Report(0, kept ? "taken up" : "");
  }

  // A tied matrix serves both ends: its rows are looked up, where every column counts alike, and multiplied
  // with the head's input. Damping of the size of the moments stands for the former.
  absl::Status DoEmbeddingMatrix(const TensorInfo& tensor) {
    const TensorType type = TypeOf(0, tensor);
    if (!IsQuantized(type) || type == tensor.type) return CopyOrWiden(tensor, type);
    ASSIGN_OR_RETURN(const Matrix weights, ReadWeights(model_, tensor));
    if (!tied_ || tensor.name != "token_embd.weight") {
      const std::vector<float> ones(static_cast<size_t>(weights.cols()), 1.0F);
      ASSIGN_OR_RETURN(QuantizedMatrix result, RoundWithImportance(weights, ones, type));
      bytes_[tensor.name] = std::move(result.bytes);
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const Split split, HeadMoments());
    const Matrix& h = split.train.student;
    if (options_.method == DistillMethod::kDistil) {
      ASSIGN_OR_RETURN(const SweepPlan plan, PlanSweep(h, 1.0, static_cast<int>(BlockSize(type))));
      ASSIGN_OR_RETURN(QuantizedMatrix result, Sweep(weights, plan, type));
      bytes_[tensor.name] = std::move(result.bytes);
      return absl::OkStatus();
    }
    Eigen::VectorXf importance = h.diagonal();
    importance.array() += importance.mean();
    ASSIGN_OR_RETURN(
        QuantizedMatrix result,
        RoundWithImportance(weights, {importance.data(), static_cast<size_t>(importance.size())}, type));
    bytes_[tensor.name] = std::move(result.bytes);
    return absl::OkStatus();
  }

  // F16, F32, or the source's own type: nothing to distil.
  absl::Status CopyOrWiden(const TensorInfo& tensor, TensorType type) {
    ASSIGN_OR_RETURN(std::string bytes, ReadTensorBytes(model_.path, tensor));
    if (type != tensor.type) {
      ASSIGN_OR_RETURN(bytes,
                       Quantize(Dequantize(bytes, tensor.type, tensor.shape[0]), type, tensor.shape[0]));
    }
    bytes_[tensor.name] = std::move(bytes);
    return absl::OkStatus();
  }

  const TensorInfo* FindTensor(int u, const std::string& name_in_shard) const {
    const std::string rest =
        name_in_shard.starts_with("blk.") ? name_in_shard.substr(name_in_shard.find('.', 4)) : name_in_shard;
    for (const TensorInfo& tensor : UnitAt(u).tensors) {
      if (tensor.name == name_in_shard || (tensor.name.starts_with("blk.") && tensor.name.ends_with(rest)))
        return &tensor;
    }
    return nullptr;
  }

  absl::Status DoLayer(int u) {
    ASSIGN_OR_RETURN(Crew teacher, LoadTeacherUnit(model_, u, rows_, threads_, teacher_path_));
    ASSIGN_OR_RETURN(Crew student, Crew::Load(teacher_path_, rows_, threads_));
    std::string note;
    const bool kept = TakeUp(u);
    HiddenStates next;  // the teacher's, where the last group's pass gave it
    const int groups = static_cast<int>(teacher.groups().size());
    for (int g = 0; g < groups && !kept; ++g) {
      if (g > 0) RETURN_IF_ERROR(Report(u, "", static_cast<double>(g) / groups));
      RETURN_IF_ERROR(DoGroup(u, g, teacher, student, g + 1 == groups ? &next : nullptr, note));
    }
    if (kept) {
      note = "taken up";
      for (const LinearGroup& group : teacher.groups()) {
        for (const std::string& name : group.tensors) {
          const TensorInfo* tensor = FindTensor(u, name);
          const Matrix values = Decode(bytes_.at(tensor->name), TypeOf(u, *tensor), tensor->shape[0]);
          RETURN_IF_ERROR(student.SetTensor(name, View(values)));
        }
      }
    } else {
      RETURN_IF_ERROR(Keep(u));
    }
    if (next.empty()) {
      RETURN_IF_ERROR(MoveOn(teacher, teacher_));
    } else {
      teacher_ = std::move(next);
    }
    RETURN_IF_ERROR(MoveOn(student, student_));
    return Report(u, note);
  }

  absl::Status DoGroup(int u, int g, Crew& teacher, Crew& student, HiddenStates* next, std::string& note) {
    std::vector<Matrix> weights;
    std::vector<LinearTask> tasks;
    const auto& names = teacher.groups()[static_cast<size_t>(g)].tensors;
    weights.reserve(names.size());
    for (const std::string& name : names) {
      const TensorInfo* tensor = FindTensor(u, name);
      if (tensor == nullptr) return Internal("{} is not in {}", name, UnitAt(u).Label());
      const TensorType type = TypeOf(u, *tensor);
      if (!IsQuantized(type) || type == tensor->type) {
        RETURN_IF_ERROR(CopyOrWiden(*tensor, type));
        continue;
      }
      ASSIGN_OR_RETURN(Matrix matrix, ReadWeights(model_, *tensor));
      weights.push_back(std::move(matrix));
      tasks.push_back({tensor->name, &weights.back(), type});
    }
    if (tasks.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(Split split, Measure(teacher, student, g, next));
    ASSIGN_OR_RETURN(std::vector<LinearResult> results, Quantized(tasks, std::move(split)));
    for (size_t t = 0; t < tasks.size(); ++t) {
      const std::string role = TensorRole(tasks[t].name);
      for (const std::string& name : names) {
        if (TensorRole(name) == role)
          RETURN_IF_ERROR(student.SetTensor(name, View(results[t].matrix.values)));
      }
      bytes_[tasks[t].name] = std::move(results[t].matrix.bytes);
      note += fmt::format("{}{} {}", note.empty() ? "" : ", ", role, results[t].recipe.ToString());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<LinearResult>> Quantized(std::span<const LinearTask> tasks, Split split) {
    if (options_.method == DistillMethod::kDistil) {
      return DistilLinear(tasks, std::move(split.train), std::move(split.held_out), kRecipes);
    }
    split.train.Mix(split.held_out);
    std::vector<LinearResult> results;
    for (const LinearTask& task : tasks) {
      LinearResult result;
      result.recipe.plain = true;
      ASSIGN_OR_RETURN(result.matrix, RoundByMoments(*task.weights, split.train, task.type));
      results.push_back(std::move(result));
    }
    return results;
  }

  // A tied matrix was done with the embedding, and a projection before it is left.
  absl::Status DoHead() {
    const int last = static_cast<int>(model_.units.size()) - 1;
    if (std::ranges::none_of(UnitAt(last).tensors, [this](const TensorInfo& t) { return IsOwn(t); }))
      return absl::OkStatus();
    const bool kept = TakeUp(last);
    if (!kept) {
      ASSIGN_OR_RETURN(Crew head, LoadHead());
      for (int g = 0; g < static_cast<int>(head.groups().size()); ++g)
        RETURN_IF_ERROR(DoHeadGroup(last, g, head));
      RETURN_IF_ERROR(Keep(last));
    }
    return Report(last, kept ? "taken up" : "");
  }

  absl::Status DoHeadGroup(int u, int g, Crew& head) {
    const TensorInfo* tensor = FindTensor(u, head.groups()[static_cast<size_t>(g)].tensors.front());
    if (tensor == nullptr) return Internal("the head has no tensor of its own");
    if (!IsOwn(*tensor)) return absl::OkStatus();
    const TensorType type = TypeOf(u, *tensor);
    if (!IsQuantized(type) || type == tensor->type) return CopyOrWiden(*tensor, type);
    ASSIGN_OR_RETURN(const Matrix weights, ReadWeights(model_, *tensor));
    const LinearTask task = {tensor->name, &weights, type};
    ASSIGN_OR_RETURN(Split split, Measure(head, head, g));
    ASSIGN_OR_RETURN(std::vector<LinearResult> results, Quantized({&task, 1}, std::move(split)));
    bytes_[tensor->name] = std::move(results[0].matrix.bytes);
    return absl::OkStatus();
  }

  const ModelInfo& model_;
  std::span<const TypeMix> types_;
  std::span<const std::vector<int32_t>> windows_;
  const DistillOptions& options_;
  TempDir dir_;
  fs::path teacher_path_ = dir_.path() / "teacher.gguf";
  DistillProgress progress_;
  int threads_ = 1;
  int64_t rows_ = 0;
  int period_ = 4;
  bool tied_ = false;
  HiddenStates teacher_, student_;
  std::map<std::string, std::string> bytes_;  // of the finished matrices, by their names in the model
};

absl::Status CheckTypes(const ModelInfo& model, std::span<const TypeMix> types) {
  if (types.size() != model.units.size()) {
    return InvalidArgument("{} type mixes for {} units", types.size(), model.units.size());
  }
  for (size_t u = 0; u < types.size(); ++u) RETURN_IF_ERROR(UnitBytes(model.units[u], types[u]).status());
  return absl::OkStatus();
}

// A folder for exactly this job, so that nothing else is taken up.
std::string JobName(const ModelInfo& model, std::span<const TypeMix> types,
                    std::span<const std::vector<int32_t>> windows, const DistillOptions& options) {
  std::string text = fmt::format("2 {} {} {} {}", model.name, model.file_bytes,
                                 static_cast<int>(options.method), options.held_out);
  for (const TypeMix& mix : types) text += " " + mix.ToString();
  for (const std::vector<int32_t>& window : windows) {
    text.append(reinterpret_cast<const char*>(window.data()), window.size() * sizeof(int32_t));
    text += ";";
  }
  return Sha256(text).substr(0, 16);
}

}  // namespace

absl::StatusOr<ShardInfo> Distill(const ModelInfo& model, std::span<const TypeMix> types,
                                  std::span<const std::vector<int32_t>> windows,
                                  const DistillOptions& options, const fs::path& path,
                                  const DistillProgress& progress) {
  RETURN_IF_ERROR(CheckTypes(model, types));
  RETURN_IF_ERROR(CheckWindows(model, windows));
  ASSIGN_OR_RETURN(TempDir dir, TempDir::Create("dilemma-distill"));
  DistillOptions own = options;
  if (!own.work_dir.empty()) {
    own.work_dir /= JobName(model, types, windows, options);
    std::error_code error;
    fs::create_directories(own.work_dir, error);
    if (error)
      return FailedPrecondition("cannot make the folder '{}': {}", own.work_dir.string(), error.message());
  }
  return Distiller(model, types, windows, own, std::move(dir)).Run(path, progress);
}

}  // namespace dilemma
