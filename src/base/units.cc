#include "base/units.h"

#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "base/status.h"

namespace dilemma {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array<Unit, 9> kByteUnits = {{{"B", 1},
                                             {"KiB", 1024.0},
                                             {"MiB", 1024.0 * 1024},
                                             {"GiB", 1024.0 * 1024 * 1024},
                                             {"TiB", 1024.0 * 1024 * 1024 * 1024},
                                             {"kB", 1e3},
                                             {"MB", 1e6},
                                             {"GB", 1e9},
                                             {"TB", 1e12}}};
constexpr std::array<Unit, 12> kBandwidthUnits = {{{"bit/s", 1},
                                                   {"kbit/s", 1e3},
                                                   {"Mbit/s", 1e6},
                                                   {"Gbit/s", 1e9},
                                                   {"kbps", 1e3},
                                                   {"Mbps", 1e6},
                                                   {"Gbps", 1e9},
                                                   {"kB/s", 8e3},
                                                   {"MB/s", 8e6},
                                                   {"GB/s", 8e9},
                                                   {"MiB/s", 8.0 * 1024 * 1024},
                                                   {"GiB/s", 8.0 * 1024 * 1024 * 1024}}};
constexpr std::array<Unit, 6> kDurationUnits = {
    {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"min", 60}, {"h", 3600}}};

// Splits "1.5 GiB" into number and unit; `what` and `example` name the quantity in errors.
absl::StatusOr<double> Parse(std::string_view text, std::span<const Unit> units, std::string_view what,
                             std::string_view example) {
  const std::string_view trimmed = View(absl::StripAsciiWhitespace(View(text)));
  const size_t end = trimmed.find_first_not_of("0123456789.eE+-");
  // "1e3 B": an exponent needs its digits; "5 EiB" is not a unit here, so a trailing E is never a unit.
  const std::string_view number = trimmed.substr(0, end);
  const std::string_view unit =
      end == std::string_view::npos ? "" : View(absl::StripLeadingAsciiWhitespace(View(trimmed.substr(end))));
  double value = 0;
  if (number.empty() || !absl::SimpleAtod(View(number), &value) || !std::isfinite(value)) {
    return InvalidArgument("'{}' is not a {}: it starts with no number; write it like \"{}\"", text, what,
                           example);
  }
  if (unit.empty()) {
    return InvalidArgument("'{}' has no unit; write a {} like \"{}\"", text, what, example);
  }
  for (const Unit& u : units) {
    if (u.name == unit) return value * u.factor;
  }
  for (const Unit& u : units) {
    if (absl::EqualsIgnoreCase(View(u.name), View(unit))) {
      return InvalidArgument("'{}' has the unit '{}'; did you mean '{}'?", text, unit, u.name);
    }
  }
  return InvalidArgument("'{}' has the unit '{}', which is not one of a {}; write it like \"{}\"", text, unit,
                         what, example);
}

std::string Scaled(double value, std::span<const Unit> ascending) {
  const Unit* best = &ascending.front();
  for (const Unit& u : ascending) {
    if (std::fabs(value) >= u.factor * 0.9995) best = &u;
  }
  const double scaled = value / best->factor;
  const double magnitude = std::fabs(scaled);
  if (best->factor == 1 && scaled == std::floor(scaled)) return fmt::format("{:.0f} {}", scaled, best->name);
  const int digits = magnitude >= 99.95 ? 0 : magnitude >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}", scaled, digits, best->name);
}

}  // namespace

absl::StatusOr<int64_t> ParseBytes(std::string_view text) {
  ASSIGN_OR_RETURN(const double bytes, Parse(text, kByteUnits, "size", "4 GiB"));
  if (bytes < 0) return InvalidArgument("'{}' is negative; a size is 0 or more", text);
  if (bytes > 9e18) return InvalidArgument("'{}' is too large for a size", text);
  return static_cast<int64_t>(std::llround(bytes));
}

absl::StatusOr<double> ParseBandwidth(std::string_view text) {
  ASSIGN_OR_RETURN(const double rate, Parse(text, kBandwidthUnits, "bandwidth", "100 Mbit/s"));
  if (rate <= 0) return InvalidArgument("'{}' is not a bandwidth above 0", text);
  return rate;
}

absl::StatusOr<double> ParseDuration(std::string_view text) {
  ASSIGN_OR_RETURN(const double seconds, Parse(text, kDurationUnits, "duration", "5 ms"));
  if (seconds < 0) return InvalidArgument("'{}' is negative; a duration is 0 or more", text);
  return seconds;
}

std::string FormatBytes(int64_t bytes) {
  return Scaled(static_cast<double>(bytes), std::span(kByteUnits).first(5));
}
std::string FormatBandwidth(double bits_per_second) {
  return Scaled(bits_per_second, std::span(kBandwidthUnits).first(4));
}
std::string FormatDuration(double seconds) {
  if (seconds == 0) return "0 s";
  return Scaled(seconds, std::span(kDurationUnits).first(seconds >= 1 ? 4 : 3));
}

}  // namespace dilemma
