#include "report/page.h"

#include <string_view>

#include "report/assets.h"

namespace dilemma {
namespace {

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// JSON inside <script>: no text of the data may end the element or open a comment. '<' appears in strings
// only.
std::string DataIsland(const Json& data) {
  std::string out;
  for (const char c : data.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string RenderPage(const Json& data) {
  const std::string title = EscapeHtml(data.value("title", "DILEMMA report"));
  const std::string island = DataIsland(data);
  const std::pair<std::string_view, std::string_view> holes[] = {
      {"{{title}}", title},
      {"{{style}}", assets::Style()},
      {"{{data}}", island},
      {"{{library}}", assets::Library()},
      {"{{script}}", assets::Script()},
  };
  // One pass over the template, so that nothing inside a filled hole is taken for a hole.
  const std::string_view page = assets::Page();
  std::string out;
  for (size_t at = 0; at < page.size();) {
    bool filled = false;
    for (const auto& [hole, text] : holes) {
      if (page.substr(at).starts_with(hole)) {
        out += text;
        at += hole.size();
        filled = true;
        break;
      }
    }
    if (!filled) out += page[at++];
  }
  return out;
}

}  // namespace dilemma
