// Do losses of units add? Draws random plans near each size, quantizes the model to them, and compares what a
// quality table foretells of each with its true KL (float, all positions), and with what the weight
// difference foretells.
//   additivity_bench --quality quality.json --text dev-v1.1.json [--bits 5.5,4.5,3.5] [--plans 30] [--windows
//   4]
//                    [--method plain,importance] [--draw servers,uniform] [--out plans.json]
// The table must have been measured on the calibration part of the text; plans are measured on its test part.
#include <cstdio>
#include <random>
#include <set>

#include "base/statistics.h"
#include "bench/rank.h"
#include "bench/type_bank.h"
#include "distill/choose_types.h"
#include "evaluation/gguf_model.h"
#include "evaluation/kl.h"
#include "evaluation/text.h"
#include "quantizer/tensor_codec.h"

namespace dilemma {
namespace {

struct Arguments {
  TableOptions table;
  std::vector<double> bits = {5.5, 4.5, 3.5};
  int plans = 30, windows = 4, window = 512, together = 6;
  uint32_t seed = 1;
  std::string draw = "servers";
};

struct RandomPlan {
  std::vector<int> choices;
  double estimate = 0, weight = 0, kl = 0;
  int64_t bytes = 0;
};

const Choice& ChoiceOf(const QualityTable& table, const RandomPlan& plan, size_t u) {
  return table.units[u].choices[static_cast<size_t>(plan.choices[u])];
}

void Sum(const QualityTable& table, RandomPlan* plan) {
  plan->bytes = 0;
  plan->estimate = 0;
  for (size_t u = 0; u < table.units.size(); ++u) {
    plan->bytes += ChoiceOf(table, *plan, u).bytes;
    plan->estimate += ChoiceOf(table, *plan, u).loss;
  }
}

// Random changes that come nearer to the size until it is met within half a per cent.
void Approach(const QualityTable& table, int64_t bytes, std::mt19937& random, RandomPlan* plan) {
  for (int tries = 0; tries < 100000 && std::abs(plan->bytes - bytes) > bytes / 200; ++tries) {
    const size_t u = random() % table.units.size(), c = random() % table.units[u].choices.size();
    const int64_t then = plan->bytes + table.units[u].choices[c].bytes - ChoiceOf(table, *plan, u).bytes;
    if (std::abs(then - bytes) >= std::abs(plan->bytes - bytes)) continue;
    plan->choices[u] = static_cast<int>(c);
    plan->bytes = then;
  }
  Sum(table, plan);
}

// Any choice of any unit with the same chance.
RandomPlan DrawUniform(const QualityTable& table, int64_t bytes, std::mt19937& random) {
  RandomPlan plan;
  for (const UnitQuality& unit : table.units) {
    plan.choices.push_back(static_cast<int>(random() % unit.choices.size()));
  }
  Sum(table, &plan);
  Approach(table, bytes, random, &plan);
  return plan;
}

// What unequal servers ask for: three to five of them hold a block each, a byte costs up to 16 times as much
// on one as on another (and up to 2.25 times in one unit as in the next), and every unit has the choice with
// the least loss plus price of its bytes.
RandomPlan DrawForServers(const QualityTable& table, int64_t bytes, std::mt19937& random) {
  const auto log_uniform = [&](double most) {
    return std::exp(std::uniform_real_distribution<double>(-std::log(most), std::log(most))(random));
  };
  std::set<size_t> cuts;
  for (size_t servers = 3 + random() % 3; cuts.size() + 1 < servers;) {
    cuts.insert(1 + random() % (table.units.size() - 1));
  }
  std::vector<double> prices;
  double server = log_uniform(4);
  for (size_t u = 0; u < table.units.size(); ++u) {
    if (cuts.contains(u)) server = log_uniform(4);
    prices.push_back(server * log_uniform(1.5));
  }
  RandomPlan plan;
  plan.choices.resize(table.units.size());
  double low = 1e-15, high = 1;  // of the scale of prices; the higher, the fewer bytes
  for (int step = 0; step < 60; ++step) {
    const double scale = std::sqrt(low * high);
    for (size_t u = 0; u < table.units.size(); ++u) {
      plan.choices[u] = static_cast<int>(ChoiceAtPrice(table.units[u], scale * prices[u]));
    }
    Sum(table, &plan);
    (plan.bytes > bytes ? low : high) = scale;
  }
  Approach(table, bytes, random, &plan);
  return plan;
}

// The paper's loss of a unit at a mix, from the bytes that plans are made of.
class WeightDifference {
 public:
  WeightDifference(const ModelInfo& model, TypeBank& bank) : model_(model), bank_(bank) {}

  absl::StatusOr<double> Of(size_t u, const TypeMix& mix) {
    double error = 0, norm = 0;
    for (const TensorInfo& tensor : model_.units[u].tensors) {
      if (!tensor.quantizable) continue;
      ASSIGN_OR_RETURN(const auto sums, Sums(tensor, mix.For(TensorRole(tensor.name))));
      error += sums.first;
      norm += sums.second;
    }
    return norm > 0 ? error / norm : 0;
  }

 private:
  absl::StatusOr<std::pair<double, double>> Sums(const TensorInfo& tensor, TensorType type) {
    const auto key = std::make_pair(tensor.name, type.ggml);
    if (const auto found = known_.find(key); found != known_.end()) return found->second;
    ASSIGN_OR_RETURN(const std::string source, ReadTensorBytes(model_.path, tensor));
    ASSIGN_OR_RETURN(const std::string made, bank_.Bytes(tensor, type, false));
    const auto from = Dequantize(source, tensor.type, tensor.shape[0]),
               to = Dequantize(made, type, tensor.shape[0]);
    double error = 0, norm = 0;
    for (size_t i = 0; i < from.size(); ++i) {
      error += static_cast<double>(from[i] - to[i]) * static_cast<double>(from[i] - to[i]);
      norm += static_cast<double>(from[i]) * static_cast<double>(from[i]);
    }
    return known_[key] = std::make_pair(error, norm);
  }

  const ModelInfo& model_;
  TypeBank& bank_;
  std::map<std::pair<std::string, int>, std::pair<double, double>> known_;
};

struct Scene {
  const ModelInfo& model;
  const QualityTable& table;
  TypeBank& bank;
  LanguageModel& teacher;
  const std::vector<TokenWindow>& test;
  const std::filesystem::path& dir;
  int threads = 0;
};

// True KL of some plans, measured together: the teacher runs once for all of them.
absl::Status MeasurePlans(const Scene& scene, std::span<RandomPlan> plans) {
  std::vector<std::unique_ptr<LanguageModel>> students;
  std::vector<LanguageModel*> pointers;
  for (size_t i = 0; i < plans.size(); ++i) {
    std::vector<TypeMix> types;
    for (size_t u = 0; u < scene.table.units.size(); ++u)
      types.push_back(ChoiceOf(scene.table, plans[i], u).mix);
    const auto path = scene.dir / fmt::format("plan-{}.gguf", i);
    RETURN_IF_ERROR(scene.bank.WriteToRun(types, false, path).status());
    GgufModelOptions options;
    options.context = static_cast<int64_t>(scene.test.front().size());
    options.threads = scene.threads;
    ASSIGN_OR_RETURN(auto student, LoadGgufModel(path, options));
    pointers.push_back(student.get());
    students.push_back(std::move(student));
  }
  ASSIGN_OR_RETURN(const auto scores, CompareModels(scene.teacher, pointers, scene.test));
  for (size_t i = 0; i < plans.size(); ++i) plans[i].kl = MeanEstimate(scores[i + 1].kl).mean;
  return absl::OkStatus();
}

Json Report(const QualityTable& table, double bits, const std::vector<RandomPlan>& plans) {
  std::vector<double> estimate, weight, kl, ratio;
  double worst = 0;
  int within = 0;
  Json list = Json::array();
  for (const RandomPlan& plan : plans) {
    estimate.push_back(plan.estimate);
    weight.push_back(plan.weight);
    kl.push_back(plan.kl);
    ratio.push_back(plan.estimate / plan.kl);
    worst = std::max(worst, std::abs(std::log(plan.estimate / plan.kl)));
    within += std::abs(plan.estimate / plan.kl - 1) <= 0.2 ? 1 : 0;
    Json types = Json::array();
    for (size_t u = 0; u < table.units.size(); ++u) types.push_back(ChoiceOf(table, plan, u).mix.ToString());
    list.push_back({{"bytes", plan.bytes},
                    {"kl", plan.kl},
                    {"estimate", plan.estimate},
                    {"weight", plan.weight},
                    {"types", types}});
  }
  const auto [least, most] = std::minmax_element(kl.begin(), kl.end());
  std::printf(
      "%.2f bits, %zu plans: true KL %.4f to %.4f; Spearman of the estimate %.3f, of the weight difference "
      "%.3f; estimate / true: median %.2f, worst x %.2f, within 20 %%: %d of %zu\n",
      bits, plans.size(), *least, *most, Spearman(estimate, kl), Spearman(weight, kl), Median(ratio),
      std::exp(worst), within, plans.size());
  std::fflush(stdout);
  return {{"bits", bits},
          {"spearman", Spearman(estimate, kl)},
          {"spearman_weight", Spearman(weight, kl)},
          {"median_ratio", Median(ratio)},
          {"within_20_percent", within},
          {"plans", list}};
}

absl::Status Run(const Arguments& args) {
  ASSIGN_OR_RETURN(const auto opened, TableScene::Open(args.table));
  const ModelInfo& model = opened->model;
  const QualityTable& table = opened->table;
  TypeBank& bank = *opened->bank;
  ASSIGN_OR_RETURN(const auto documents, ReadDocuments(args.table.text));
  ASSIGN_OR_RETURN(const auto test_text, SelectPart(documents, Part::kTest));
  ASSIGN_OR_RETURN(const auto test, MakeWindows(test_text, *opened->tokenizer,
                                                {.window = args.window, .count = args.windows}));
  ASSIGN_OR_RETURN(const TempDir dir, TempDir::Create("dilemma-additivity"));
  ASSIGN_OR_RETURN(const TypeMix wide, TypeMix::Parse("f16"));
  const std::vector<TypeMix> wides(model.units.size(), wide);
  RETURN_IF_ERROR(WriteWhole(model, wides, dir.path() / "teacher.gguf").status());
  GgufModelOptions options;
  options.context = args.window;
  options.threads = args.table.threads;
  ASSIGN_OR_RETURN(const auto teacher, LoadGgufModel(dir.path() / "teacher.gguf", options));
  const Scene scene = {model, table, bank, *teacher, test, dir.path(), args.table.threads};
  int64_t weights = 0;
  for (const Unit& unit : model.units)
    for (const TensorInfo& tensor : unit.tensors) weights += tensor.elements();
  WeightDifference difference(model, bank);
  std::mt19937 random(args.seed);
  std::printf("%s weights, KL on %zu windows of %d tokens of the test part\n", args.table.method.c_str(),
              test.size(), args.window);
  Json all = Json::array();
  for (const double bits : args.bits) {
    std::vector<RandomPlan> plans;
    for (int i = 0; i < args.plans; ++i) {
      const auto bytes = static_cast<int64_t>(bits / 8 * static_cast<double>(weights));
      plans.push_back(args.draw == "uniform" ? DrawUniform(table, bytes, random)
                                             : DrawForServers(table, bytes, random));
      for (size_t u = 0; u < table.units.size(); ++u) {
        ASSIGN_OR_RETURN(const double one, difference.Of(u, ChoiceOf(table, plans.back(), u).mix));
        plans.back().weight += one;
      }
    }
    const auto step = static_cast<size_t>(args.together);
    for (size_t first = 0; first < plans.size(); first += step) {
      std::fprintf(stderr, "\r%.2f bits: plan %zu of %zu  ", bits, first, plans.size());
      RETURN_IF_ERROR(
          MeasurePlans(scene, std::span(plans).subspan(first, std::min(step, plans.size() - first))));
    }
    std::fprintf(stderr, "\r");
    all.push_back(Report(table, bits, plans));
    if (!args.table.out.empty()) RETURN_IF_ERROR(WriteJson(args.table.out, all));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace dilemma

int main(int argc, char** argv) {
  dilemma::Arguments args;
  CLI::App app("Additive estimates of loss against the true KL of random plans");
  dilemma::AddTableOptions(app, args.table);
  app.add_option("--bits", args.bits, "a weight, embedding and head included")->delimiter(',');
  app.add_option("--plans", args.plans)->check(CLI::Range(2, 1000));
  app.add_option("--windows", args.windows, "of test text")->check(CLI::Range(1, 1000));
  app.add_option("--window", args.window)->check(CLI::Range(16, 4096));
  app.add_option("--together", args.together, "plans that are in memory at once")->check(CLI::Range(1, 100));
  app.add_option("--draw", args.draw, "plans as unequal servers ask for them, or any choices of any units")
      ->check(CLI::IsMember({"servers", "uniform"}))
      ->capture_default_str();
  app.add_option("--seed", args.seed);
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = dilemma::Run(args);
  if (!status.ok()) std::fprintf(stderr, "error: %s\n", std::string(dilemma::Message(status)).c_str());
  return dilemma::ExitCode(status);
}
