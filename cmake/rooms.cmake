# Rooms: one folder under src is one static library. A room may use only rooms declared before it and named in
# DEPS; every #include of its files is checked against that list when the project is built.
#
#   dilemma_room(<name> [DEPS room...] [LIBS public third-party targets...] [PRIVATE private third-party targets...]
#                [HEADERS headers that most of its files read, beyond those of cmake/headers.cmake...])
#
# foo_test.cc beside foo.cc becomes part of the test program <name>_test.

set_property(GLOBAL PROPERTY DILEMMA_ROOMS "")
set_property(GLOBAL PROPERTY DILEMMA_ARROWS "")

function(dilemma_room name)
  cmake_parse_arguments(ROOM "" "" "DEPS;LIBS;PRIVATE;SOURCES;HEADERS" ${ARGN})
  get_property(known GLOBAL PROPERTY DILEMMA_ROOMS)
  foreach(dep IN LISTS ROOM_DEPS)
    if(NOT dep IN_LIST known)
      message(FATAL_ERROR "room '${name}' uses room '${dep}', which is not declared before it: arrows go one way")
    endif()
  endforeach()
  set_property(GLOBAL APPEND PROPERTY DILEMMA_ROOMS ${name})
  string(JOIN "+" allowed ${name} ${ROOM_DEPS})
  set_property(GLOBAL APPEND PROPERTY DILEMMA_ARROWS "${name}:${allowed}")

  set(dir ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc)
  file(GLOB tests CONFIGURE_DEPENDS ${dir}/*_test.cc)
  list(REMOVE_ITEM sources ${dir}/main.cc ${tests})
  if(NOT sources AND NOT ROOM_SOURCES)  # headers only
    add_library(dilemma_${name} INTERFACE)
    target_include_directories(dilemma_${name} INTERFACE ${CMAKE_SOURCE_DIR}/src)
    return()
  endif()
  add_library(dilemma_${name} STATIC ${sources} ${ROOM_SOURCES})
  target_include_directories(dilemma_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  if(ROOM_HEADERS)
    dilemma_precompile(dilemma_${name} alone ${ROOM_HEADERS})
  else()
    dilemma_precompile(dilemma_${name} room)
  endif()
  list(TRANSFORM ROOM_DEPS PREPEND dilemma_)
  target_link_libraries(dilemma_${name} PUBLIC ${ROOM_DEPS} ${ROOM_LIBS} PRIVATE ${ROOM_PRIVATE})
  if(tests)
    dilemma_test(${name}_test ${tests} LIBS dilemma_${name} ${ROOM_PRIVATE})
  endif()
endfunction()

# dilemma_test(<target> sources... [FIRST] LIBS targets...): a GoogleTest program whose cases ctest lists one by one.
# FIRST: they take long, and others run beside them.
include(GoogleTest)
function(dilemma_test target)
  cmake_parse_arguments(TEST "FIRST" "" "LIBS" ${ARGN})
  add_executable(${target} ${TEST_UNPARSED_ARGUMENTS})
  target_link_libraries(${target} PRIVATE ${TEST_LIBS} GTest::gmock GTest::gtest_main)
  dilemma_precompile(${target} test)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_compile_definitions(${target} PRIVATE DILEMMA_BINARY="${CMAKE_BINARY_DIR}/bin/dilemma"
                             DILEMMA_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  gtest_discover_tests(${target} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 900 COST $<IF:$<BOOL:${TEST_FIRST}>,1000,0>)
endfunction()

function(dilemma_check_rooms)
  get_property(arrows GLOBAL PROPERTY DILEMMA_ARROWS)
  add_custom_target(check_rooms ALL
    COMMAND ${CMAKE_COMMAND} "-DARROWS=\"${arrows}\"" -DSOURCE_DIR=${CMAKE_SOURCE_DIR}
            -P ${CMAKE_SOURCE_DIR}/cmake/check_rooms.cmake
    COMMENT "Checking that every include goes along an arrow of docs/architecture.md" VERBATIM)
endfunction()
