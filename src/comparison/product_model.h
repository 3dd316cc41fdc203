// The paper's formulation (arXiv 2503.01704): binary x[u,n,q], and for the transfer after unit u the product
// X[u,n] X[u+1,m] of X[u,n] = sum over q of x[u,n,q], linearised in the textbook way by a variable
// w >= X[u,n] + X[u+1,m] - 1. The planner's own formulation (flow_model.h) gives the same optimum and a much
// better relaxation; this one is here to compare with.
#pragma once

#include <optional>
#include <vector>

#include "planner/linear_model.h"
#include "planner/problem.h"

namespace dilemma {

class ProductModel {
 public:
  // Rows of limits are scaled to 1, the objective so that costs are of the order of 1000. `problem` outlives
  // the model; its objective is latency.
  explicit ProductModel(const Problem& problem);

  const LinearModel& model() const { return model_; }
  double ToSeconds(double objective) const { return objective / scale_; }
  // False where some unit has no possible placement: there is no model to solve.
  bool complete() const { return complete_; }
  // The assignment that column values stand for; nullopt where a unit has no x near 1.
  std::optional<Assignment> Decode(const double* values) const;

 private:
  using Row = std::vector<std::pair<int, double>>;
  void AddPlacements();
  void AddProducts();
  void AddServerLimits();
  void AddServerCount();
  Row Placed(int u, int n, double value) const;  // sum over q of x[u,n,q]
  Row Starts(int n, double value) const;         // blocks that begin on n
  // w >= X[u,n] + X[v,m] - 1 at that cost.
  int AddProduct(int u, int n, int v, int m, double cost);

  const Problem& problem_;
  LinearModel model_;
  double scale_ = 1;
  bool complete_ = true;
  std::vector<int> x_;  // [u][n][q] column, -1 where impossible
  std::vector<int> w_;  // [u][n][m] column for u < units - 1, -1 on the diagonal
};

}  // namespace dilemma
