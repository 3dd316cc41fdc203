#pragma once

#include <string_view>

namespace dilemma {

inline constexpr std::string_view kVersion = DILEMMA_VERSION;

}  // namespace dilemma
