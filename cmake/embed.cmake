# Writes a C++ file with the contents of files as functions:
#   cmake -DOUT=x.cc -DNAMESPACE=a::b -DFUNCTIONS="Name=file+file|Other=file" -DPIN="file=sha256" -P embed.cmake
# Files of one function follow one another. PIN: the build stops where the file is not the pinned one.
if(PIN)
  string(REGEX MATCH "^(.*)=(.*)$" _ "${PIN}")
  file(SHA256 ${CMAKE_MATCH_1} sum)
  if(NOT sum STREQUAL CMAKE_MATCH_2)
    message(FATAL_ERROR "${CMAKE_MATCH_1} has sha256 ${sum}; third_party/pins.txt says ${CMAKE_MATCH_2} "
                        "(scripts/bundle_charts.sh makes it)")
  endif()
endif()
set(text "// Written by cmake/embed.cmake.\n#include <string_view>\n\nnamespace ${NAMESPACE} {\n")
string(REPLACE "|" ";" functions "${FUNCTIONS}")
foreach(function IN LISTS functions)
  string(REGEX MATCH "^([^=]*)=(.*)$" _ "${function}")
  set(name ${CMAKE_MATCH_1})
  string(REPLACE "+" ";" files "${CMAKE_MATCH_2}")
  set(bytes "")
  foreach(file IN LISTS files)
    file(READ ${file} hex HEX)
    string(APPEND bytes "${hex}")
  endforeach()
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(APPEND text "std::string_view ${name}() {\n  static constexpr unsigned char kBytes[] = {${bytes}};\n"
                     "  return {reinterpret_cast<const char*>(kBytes), sizeof(kBytes)};\n}\n")
endforeach()
file(WRITE ${OUT} "${text}}  // namespace ${NAMESPACE}\n")
