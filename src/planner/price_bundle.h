// Maximises a concave function that is known by its value and a slope at the prices asked for: proximal
// bundle (Lemarechal 1975, Kiwiel 1990). Every evaluation leaves a cut, a linear function above the true one;
// the next prices maximise the least of the cuts, held near the best prices so far. In between, prices of
// many servers settle after far fewer evaluations than by steps along one slope at a time.
#pragma once

#include <functional>
#include <vector>

namespace dilemma {

class PriceBundle {
 public:
  // Prices are >= 0 and move in proportion to scale[i]^2.
  explicit PriceBundle(std::vector<double> scale) : scale_(std::move(scale)) {}

  // The function and its slope at `prices`; `tag` names the cut. Prices that are much better become the
  // centre.
  void Add(const std::vector<double>& prices, double value, const std::vector<double>& slope, int tag);
  // Starts again from `prices`, with a step that would gain `gain` along `slope`; cuts stay.
  void Restart(const std::vector<double>& prices, double value, const std::vector<double>& slope,
               double gain);
  // Forgets the cuts for which `gone(tag)` holds: those that are not above the function any more.
  void Forget(const std::function<bool(int)>& gone);
  // Where to evaluate next.
  std::vector<double> Next();
  // By how much the cuts say that the last Next() is better than the centre.
  double promised() const { return promised_; }
  // Tags of the cuts that hold the last Next() in place: together they are the relaxed optimum.
  std::vector<int> ActiveTags() const;

 private:
  struct Cut {
    double constant = 0;
    std::vector<double> slope;  // scaled
    double weight = 0;
    double value = 0;  // at next_
    int tag = 0, age = 0;
  };
  void Move();  // next_ and the values of all cuts there, from the weights
  void Trim();

  const std::vector<double> scale_;
  std::vector<Cut> cuts_;
  std::vector<double> centre_, next_, pull_;  // scaled; pull_: before it is cut off at 0
  double centre_value_ = 0;
  double step_ = 1;
  double promised_ = 0;
  int nulls_ = 0;  // evaluations since the centre moved
};

}  // namespace dilemma
