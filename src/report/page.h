// The page of a report: one HTML file that holds its data, style, script and charts library (Observable
// Plot), so that it opens from a disk without a network. Light and dark follow the reader's settings.
#pragma once

#include <string>

#include "base/json.h"

namespace dilemma {

// `data` is a report's document: "title" becomes the page's title, "kind" says which sections are drawn.
std::string RenderPage(const Json& data);

}  // namespace dilemma
