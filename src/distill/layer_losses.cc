#include "distill/layer_losses.h"

#include <algorithm>
#include <cmath>

namespace dilemma {
namespace {

constexpr double kFineBits = 5.5, kMiddleBits = 4.5, kCoarseBits = 4;

// An error, and the KL that was measured with it.
struct Point {
  double error = 0, kl = 0;
};

// KL at any error: a power law between the points (by ascending error), and beyond them one whose exponent is
// kept within what is plausible. KL is of second order in a change of the weights, as the error is, so the
// exponent is near 1 for as long as errors are small.
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

// KL at the fine type were it proportional to the error.
double Straight(const GroupErrors& group) {
  const double middle = group.errors[group.rungs.middle];
  return middle > 0 ? group.middle_kl * group.errors[group.rungs.fine] / middle : 0;
}

// What is left of the layer's KL for groups that have a fine type, over the sum of their straight ones.
double Share(const std::vector<GroupErrors>& groups, double fine_kl) {
  double straight = 0;
  for (const GroupErrors& group : groups) {
    if (group.rungs.HasFine()) {
      straight += Straight(group);
    } else {
      fine_kl -= group.middle_kl;
    }
  }
  return straight > 0 && fine_kl > 0 ? fine_kl / straight : 0;
}

struct Sums {
  double each = 0, products = 0;  // of the losses, and of all products of two of them
};

Sums SumsOf(std::span<const double> losses) {
  Sums sums;
  for (const double loss : losses) {
    sums.products += loss * sums.each;
    sums.each += loss;
  }
  return sums;
}

size_t Nearest(const std::vector<TensorType>& menu, double bits) {
  const auto nearest = std::min_element(menu.begin(), menu.end(), [&](TensorType a, TensorType b) {
    return std::abs(BitsPerWeight(a) - bits) < std::abs(BitsPerWeight(b) - bits);
  });
  return static_cast<size_t>(nearest - menu.begin());
}

}  // namespace

Rungs Rungs::Of(const std::vector<TensorType>& menu) {
  Rungs rungs{Nearest(menu, kMiddleBits), Nearest(menu, kFineBits), Nearest(menu, 0)};
  if (BitsPerWeight(menu[rungs.coarse]) > kCoarseBits) rungs.coarse = rungs.middle;
  return rungs;
}

std::vector<std::vector<double>> LayerLosses(const std::vector<GroupErrors>& groups, double fine_kl) {
  const double share = Share(groups, fine_kl);
  std::vector<std::vector<double>> losses;
  for (const GroupErrors& group : groups) {
    const Rungs& rungs = group.rungs;
    std::vector<Point> points = {{group.errors[rungs.middle], group.middle_kl}};
    if (rungs.HasFine()) points.push_back({group.errors[rungs.fine], share * Straight(group)});
    if (rungs.HasCoarse()) points.push_back({group.errors[rungs.coarse], group.coarse_kl});
    std::stable_sort(points.begin(), points.end(),
                     [](const Point& a, const Point& b) { return a.error < b.error; });
    std::vector<double>& each = losses.emplace_back();
    for (const double error : group.errors) each.push_back(Interpolate(error, points));
  }
  return losses;
}

double Together(std::span<const double> alone, double overlap) {
  const Sums sums = SumsOf(alone);
  if (sums.products <= 0) return sums.each;
  const double shared = sums.each / (1 + overlap * sums.products / sums.each);
  return std::max(shared, *std::max_element(alone.begin(), alone.end()));
}

double OverlapOf(std::span<const double> alone, double together) {
  const Sums sums = SumsOf(alone);
  if (sums.products <= 0) return 0;
  const double least = *std::max_element(alone.begin(), alone.end());
  return std::max(0.0, (sums.each / std::max(together, least) - 1) * sums.each / sums.products);
}

}  // namespace dilemma
