// Quantities as people write them ("4 GiB", "100 Mbit/s", "5 ms") to numbers in base units, and back.
// Base units throughout the program: bytes (int64_t), seconds (double), bits per second (double).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dilemma {

// "512 MiB", "4GiB", "1.5 GB", "1024 B". Powers of 1024 for KiB.., of 1000 for kB... A bare number is
// refused.
absl::StatusOr<int64_t> ParseBytes(std::string_view text);
// "100 Mbit/s", "1 Gbit/s", "20 MB/s" (bytes: times 8), also "Mbps". Result in bit/s, > 0.
absl::StatusOr<double> ParseBandwidth(std::string_view text);
// "5 ms", "300 us", "1.5 s", "0 ms". Result in seconds, >= 0.
absl::StatusOr<double> ParseDuration(std::string_view text);

std::string FormatBytes(int64_t bytes);               // "96.2 MiB"
std::string FormatBandwidth(double bits_per_second);  // "100 Mbit/s"
std::string FormatDuration(double seconds);           // "12.3 ms"

}  // namespace dilemma
