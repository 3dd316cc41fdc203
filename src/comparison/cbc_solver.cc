#include "comparison/cbc_solver.h"

#include <Cbc_C_Interface.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/status.h"
#include "comparison/product_model.h"
#include "planner/validate.h"

namespace dilemma {
namespace {

struct Delete {
  void operator()(Cbc_Model* model) const { Cbc_deleteModel(model); }
};
using Model = std::unique_ptr<Cbc_Model, Delete>;

// The rows by columns, as CBC takes them.
Model Load(const LinearModel& lp) {
  const auto columns = static_cast<size_t>(lp.columns());
  std::vector<CoinBigIndex> start(columns + 1, 0);
  for (const int column : lp.entry_column) ++start[static_cast<size_t>(column) + 1];
  for (size_t i = 0; i < columns; ++i) start[i + 1] += start[i];
  std::vector<int> index(lp.entry_column.size());
  std::vector<double> value(lp.entry_column.size());
  std::vector<CoinBigIndex> next(start.begin(), start.end() - 1);
  for (int row = 0; row < lp.rows(); ++row) {
    for (size_t k = lp.row_start[static_cast<size_t>(row)]; k < lp.row_start[static_cast<size_t>(row) + 1];
         ++k) {
      const auto at = static_cast<size_t>(next[static_cast<size_t>(lp.entry_column[k])]++);
      index[at] = row;
      value[at] = lp.entry_value[k];
    }
  }
  Model model(Cbc_newModel());
  Cbc_setParameter(model.get(), "log", "0");
  Cbc_setParameter(model.get(), "slog", "0");
  Cbc_loadProblem(model.get(), lp.columns(), lp.rows(), start.data(), index.data(), value.data(),
                  lp.lower.data(), lp.upper.data(), lp.cost.data(), lp.row_lower.data(), lp.row_upper.data());
  for (int i = 0; i < lp.columns(); ++i)
    if (lp.integer[static_cast<size_t>(i)] != 0) Cbc_setInteger(model.get(), i);
  return model;
}

void Configure(Cbc_Model* model, const SolveOptions& options, double seconds) {
  Cbc_setParameter(model, "threads", "0");
  Cbc_setParameter(model, "randomCbcSeed", fmt::format("{}", options.seed % 1000000).c_str());
  Cbc_setParameter(model, "timeMode", "elapsed");
  Cbc_setParameter(model, "sec", fmt::format("{:.3f}", seconds).c_str());
  Cbc_setParameter(model, "ratio", fmt::format("{:.3e}", options.gap).c_str());
  Cbc_setParameter(model, "allow", "0");
}

class CbcSolver : public Solver {
 public:
  std::string_view name() const override { return "cbc"; }

  SolveResult Solve(const Problem& problem, const SolveOptions& options) override {
    const Stopwatch watch;
    SolveResult result;
    result.method = "cbc";
    if (problem.objective != Objective::kLatency) {
      result.reason = "the paper's formulation has no throughput objective";
      return result;
    }
    const ProductModel product(problem);
    if (!product.complete()) {
      SetInfeasible(result, "a unit has no server that may hold it");
      return result;
    }
    const Model model = Load(product.model());
    Configure(model.get(), options, std::max(0.01, options.time_limit_s - watch.Seconds()));
    Cbc_solve(model.get());
    Take(problem, options, product, model.get(), result);
    result.seconds = watch.Seconds();
    return result;
  }

 private:
  static void SetInfeasible(SolveResult& result, std::string_view reason) {
    result.status = SolveStatus::kInfeasible;
    result.bound_s = kNever;
    result.reason = std::string(reason);
  }

  static void Take(const Problem& problem, const SolveOptions& options, const ProductModel& product,
                   Cbc_Model* model, SolveResult& result) {
    if (Cbc_isProvenInfeasible(model) != 0) return SetInfeasible(result, "CBC proved that there is none");
    if (const double bound = Cbc_getBestPossibleObjValue(model);
        std::isfinite(bound) && std::fabs(bound) < 1e30)
      result.bound_s = std::max(0.0, product.ToSeconds(bound));
    if (Cbc_isProvenOptimal(model) == 0) result.reason = "stopped at the time limit";
    const double* values = Cbc_bestSolution(model);
    const auto assignment = values == nullptr ? std::nullopt : product.Decode(values);
    if (!assignment) return;
    const Evaluation evaluation = Evaluate(problem, *assignment);
    if (!evaluation.ok()) {
      result.reason = "the answer of CBC breaks a limit: " + evaluation.Text();
      return;
    }
    result.assignment = *assignment;
    result.objective_s = evaluation.objective_s;
    result.bound_s = std::min(result.bound_s, result.objective_s);
    result.gap = result.objective_s > 0 ? (result.objective_s - result.bound_s) / result.objective_s : 0;
    // CBC's own tolerance on the objective is about 1e-7 of it
    result.status = result.gap <= std::max(options.gap, 1e-6) * (1 + 1e-6) ? SolveStatus::kOptimal
                                                                           : SolveStatus::kFeasible;
  }
};

}  // namespace

std::unique_ptr<Solver> MakeCbcSolver() { return std::make_unique<CbcSolver>(); }

}  // namespace dilemma
