// The files of web/, as they were when the program was built (cmake/embed.cmake). Internal to the room.
#pragma once

#include <string_view>

namespace dilemma::assets {

std::string_view Page();     // web/page.html, with {{holes}}
std::string_view Style();    // web/style.css
std::string_view Library();  // web/vendor/plot.min.js
std::string_view Script();   // web/js/*.js, one after the other

}  // namespace dilemma::assets
