# Headers that most files read, compiled once: a third of the time of a build from nothing. Files include what they use all the
# same; the builds of preset `fuzz` go without and so check it.
#
#   dilemma_precompile(<target> room|test|alone [more headers...])
#
# room, test: shares what all of its kind share. alone: its own, with more headers.
set(DILEMMA_HEADERS <absl/status/statusor.h> <algorithm> <chrono> <cmath> <cstdint> <filesystem> <fmt/format.h> <functional> <map>
    <memory> <mutex> <nlohmann/json.hpp> <optional> <span> <string> <thread> <vector>)

function(dilemma_precompile target kind)
  if(DILEMMA_FUZZ)
    return()
  elseif(kind STREQUAL "alone")
    target_precompile_headers(${target} PRIVATE ${DILEMMA_HEADERS} ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM dilemma_${kind}_headers)
  endif()
endfunction()

foreach(kind room test)
  file(CONFIGURE OUTPUT ${kind}_headers.cc CONTENT "// The sources of a target that has but headers.\n")
  add_library(dilemma_${kind}_headers OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${kind}_headers.cc)
  target_link_libraries(dilemma_${kind}_headers PRIVATE absl::statusor fmt::fmt nlohmann_json::nlohmann_json spdlog::spdlog)
endforeach()
target_link_libraries(dilemma_test_headers PRIVATE GTest::gmock)
dilemma_precompile(dilemma_room_headers alone)
dilemma_precompile(dilemma_test_headers alone <gmock/gmock.h> <gtest/gtest.h>)
