// What every page of ours must be in a real browser: no script error, nothing asked of the network, charts
// with marks, no label over another one or off the page, in light and dark and on a phone.
// DILEMMA_SCREENSHOTS=DIR keeps the screenshots.
#pragma once

#include <cstdlib>
#include <fstream>
#include <optional>

#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/browser.h"

namespace dilemma {

// Marks of every chart: {id: count}.
constexpr std::string_view kCountMarks =
    R"(Object.fromEntries([...document.querySelectorAll("figure")].map((f) =>
  [f.id, f.querySelectorAll("svg rect, svg path, svg circle, svg line").length])))";

// Pairs of labels that cover each other, and labels that leave the page.
constexpr std::string_view kBadLabels = R"((() => {
  const bad = [];
  for (const svg of document.querySelectorAll("figure svg")) {
    const lines = [...svg.querySelectorAll("text")].filter((t) => !t.closest("[aria-label=tip]")).flatMap((t) =>
      t.querySelector("tspan") ? [...t.querySelectorAll("tspan")] : [t]);
    const boxes = lines.map((t) => { const range = document.createRange(); range.selectNodeContents(t);
      return {text: t.textContent.trim(), box: range.getBoundingClientRect()}; }).filter(({text}) => text);
    boxes.forEach(({text, box: a}, i) => {
      if (a.left < 0 || a.right > innerWidth + 1) bad.push(`${text} leaves the page`);
      for (const {text: other, box: b} of boxes.slice(i + 1)) {
        const x = Math.min(a.right, b.right) - Math.max(a.left, b.left), y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (x > 1 && y > 4) bad.push(`${text} / ${other}`);
      }
    });
  }
  return bad;
})())";

constexpr std::string_view kWidths = "[document.documentElement.scrollWidth, innerWidth]";
constexpr std::string_view kBrightness =
    "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b) / "
    "765";

class PageTest : public ::testing::Test {
 protected:
  // Skips where no Chromium is installed.
  void SetUp() override {
    auto browser = Browser::Start();
    if (absl::IsNotFound(browser.status())) GTEST_SKIP() << browser.status();
    ASSERT_TRUE(browser.ok()) << browser.status();
    browser_ = *std::move(browser);
    auto dir = TempDir::Create("dilemma-page");
    ASSERT_TRUE(dir.ok());
    dir_.emplace(*std::move(dir));
  }

  Json Value(std::string_view expression) {
    auto value = browser_->Evaluate(expression);
    EXPECT_TRUE(value.ok()) << value.status();
    return value.ok() ? *value : Json(nullptr);
  }

  void OpenPage(const std::filesystem::path& path) {
    const absl::Status status = browser_->Open(path);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_THAT(browser_->errors(), ::testing::IsEmpty());
    EXPECT_EQ(Value("document.documentElement.dataset.ready"), "yes");
    EXPECT_EQ(Value("document.getElementById('script-error')"), nullptr);
  }

  void CheckLayout(const std::string& name, int width, bool dark) {
    SCOPED_TRACE(name);
    const absl::Status status = browser_->Emulate(width, 900, dark);
    ASSERT_TRUE(status.ok()) << status;
    const Json widths = Value(kWidths);
    EXPECT_LE(widths[0].get<int>(), widths[1].get<int>()) << "the page scrolls sideways";
    EXPECT_EQ(Value(kBadLabels), Json::array());
    const double brightness = Value(kBrightness).get<double>();
    EXPECT_EQ(brightness < 0.5, dark) << brightness;
    const auto png = browser_->Screenshot();
    ASSERT_TRUE(png.ok()) << png.status();
    EXPECT_EQ(png->substr(1, 3), "PNG");
    if (const char* keep = std::getenv("DILEMMA_SCREENSHOTS")) {
      std::ofstream(std::filesystem::path(keep) / (name + ".png"), std::ios::binary) << *png;
    }
  }

  // Each has more than four marks; the page asked for nothing but files.
  void ExpectCharts(std::initializer_list<const char*> ids) {
    const Json marks = Value(kCountMarks);
    for (const char* id : ids) {
      ASSERT_TRUE(marks.contains(id)) << id << " is missing: " << marks;
      EXPECT_GT(marks[id].get<int>(), 4) << id;
    }
    for (const std::string& url : browser_->requests())
      EXPECT_TRUE(url.starts_with("file://") || url.starts_with("about:") || url.starts_with("data:")) << url;
  }

  std::unique_ptr<Browser> browser_;
  std::optional<TempDir> dir_;
};

}  // namespace dilemma
