# web/ (page, style, scripts, charts library) as a C++ file, so that the program needs no files of its own at run time.
# The library is committed (web/vendor) and must be the one that third_party/pins.txt names.
function(dilemma_web_assets result)
  set(web ${CMAKE_SOURCE_DIR}/web)
  set(out ${CMAKE_BINARY_DIR}/web_assets.cc)
  file(GLOB scripts CONFIGURE_DEPENDS ${web}/js/*.js)  # in the order of their names
  list(JOIN scripts "+" script)
  file(STRINGS ${CMAKE_SOURCE_DIR}/third_party/pins.txt pin REGEX "^charts ")
  string(REGEX REPLACE ".* " "" pin "${pin}")
  set(functions "Page=${web}/page.html|Style=${web}/style.css|Library=${web}/vendor/plot.min.js|Script=${script}")
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAMESPACE=dilemma::assets "-DFUNCTIONS=${functions}"
            "-DPIN=${web}/vendor/plot.min.js=${pin}" -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${CMAKE_SOURCE_DIR}/cmake/embed.cmake ${CMAKE_SOURCE_DIR}/third_party/pins.txt
            ${web}/page.html ${web}/style.css ${web}/vendor/plot.min.js ${scripts}
    COMMENT "Embedding web/" VERBATIM)
  set(${result} ${out} PARENT_SCOPE)
endfunction()

# web/live.html, the page of `dilemma serve`.
function(dilemma_live_page result)
  set(page ${CMAKE_SOURCE_DIR}/web/live.html)
  set(out ${CMAKE_BINARY_DIR}/live_page.cc)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNAMESPACE=dilemma "-DFUNCTIONS=LivePage=${page}"
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${CMAKE_SOURCE_DIR}/cmake/embed.cmake ${page}
    COMMENT "Embedding web/live.html" VERBATIM)
  set(${result} ${out} PARENT_SCOPE)
endfunction()
