// Random numbers for drawing problems: SplitMix64, the same on any machine (the standard's distributions
// differ between libraries).
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace dilemma {

class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 0xD1B54A32D192ED03ULL) {}
  double Uniform(double low = 0, double high = 1) {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return low + (high - low) * static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
  }
  double LogUniform(double low, double high) { return low * std::pow(high / low, Uniform()); }
  double LogNormal(double sigma) {
    const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
    return std::exp(sigma * radius * std::cos(2 * std::numbers::pi * Uniform()));
  }

 private:
  uint64_t state_;
};

}  // namespace dilemma
