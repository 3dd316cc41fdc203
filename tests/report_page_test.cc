// The report of a plan, opened in a real browser: no script error, nothing asked of the network, every chart
// has marks, no label covers another or leaves the page; light, dark and on a phone. DILEMMA_SCREENSHOTS=DIR
// keeps the screenshots.
#include <cstdlib>
#include <fstream>

#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/make_plan.h"
#include "report/page.h"
#include "report/report_data.h"
#include "study/trade_off.h"
#include "tests/browser.h"
#include "tests/report_fixture.h"

namespace dilemma {
namespace {

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

class ReportPage : public testing::Test {
 protected:
  void SetUp() override {
    auto browser = Browser::Start();
    if (absl::IsNotFound(browser.status())) GTEST_SKIP() << browser.status();
    ASSERT_TRUE(browser.ok()) << browser.status();
    browser_ = *std::move(browser);
    auto dir = TempDir::Create("dilemma-report");
    ASSERT_TRUE(dir.ok());
    dir_.emplace(*std::move(dir));
    auto fixture = MakeReportFixture();
    ASSERT_TRUE(fixture.ok()) << fixture.status();
    fixture_ = *std::move(fixture);
  }

  Json Value(std::string_view expression) {
    auto value = browser_->Evaluate(expression);
    EXPECT_TRUE(value.ok()) << value.status();
    return value.ok() ? *value : Json(nullptr);
  }

  void Open(const Json& data) {
    const auto path = dir_->path() / "report.html";
    ASSERT_TRUE(WriteFileAtomically(path, RenderPage(data)).ok());
    const absl::Status status = browser_->Open(path);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_THAT(browser_->errors(), testing::IsEmpty());
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

  ReportInputs All() {
    return {&fixture_.plan,    &fixture_.model,    &fixture_.cluster, &fixture_.profile,
            &fixture_.quality, &fixture_.measured, nullptr,           "The curve needs the planner."};
  }

  std::unique_ptr<Browser> browser_;
  std::optional<TempDir> dir_;
  ReportFixture fixture_;
};

TEST_F(ReportPage, HasEveryChartInEveryLayout) {
  ASSERT_TRUE(SolvePlan(fixture_).ok());
  const auto here = AssignmentOf(fixture_.plan, fixture_.problem);
  ASSERT_TRUE(here.ok()) << here.status();
  TradeOffOptions options;
  options.points = 5;
  options.time_limit_s = 2;
  options.gap = 0.01;
  const auto trade_off = ComputeTradeOff(fixture_.problem, *here, options);
  ASSERT_TRUE(trade_off.ok()) << trade_off.status();
  ReportInputs inputs = All();
  inputs.trade_off = &*trade_off;
  const auto data = PlanReportData(inputs);
  ASSERT_TRUE(data.ok()) << data.status();
  ASSERT_NO_FATAL_FAILURE(Open(*data));

  const Json marks = Value(kCountMarks);
  for (const char* id : {"cluster-picture", "units-chart", "decode-chart", "prefill-chart", "memory-chart",
                         "trade-off-chart"}) {
    ASSERT_TRUE(marks.contains(id)) << id << " is missing: " << marks;
    EXPECT_GT(marks[id].get<int>(), 4) << id;
  }
  EXPECT_GE(marks["units-chart"].get<size_t>(), fixture_.model.units.size());
  for (const std::string& url : browser_->requests()) {
    EXPECT_TRUE(url.starts_with("file://") || url.starts_with("about:") || url.starts_with("data:")) << url;
  }
  CheckLayout("light", 1100, false);
  CheckLayout("dark", 1100, true);
  CheckLayout("tablet", 720, false);
  CheckLayout("phone", 360, false);
  CheckLayout("phone-dark", 360, true);
}

TEST_F(ReportPage, HasRoomForEveryServer) {
  ReportInputs inputs = All();
  inputs.measured = nullptr;
  const auto data = PlanReportData(inputs);
  ASSERT_TRUE(data.ok()) << data.status();
  ASSERT_NO_FATAL_FAILURE(Open(*data));
  CheckLayout("four-stages", 1100, false);
  CheckLayout("four-stages-dark", 900, true);
  CheckLayout("four-stages-phone", 360, false);
}

// Stages over servers with long names, or all on one.
Plan ManyUnits(int servers) {
  Plan plan;
  plan.model_name =
      "A model with a name that is rather long for a heading, as names of fine-tuned models are";
  plan.cluster = "rack";
  for (int n = 0; n < servers; ++n) {
    PlanStage stage;
    stage.server = fmt::format("server-{}.rack-b.building-7", n);
    stage.first_unit = n * 82 / servers;
    stage.last_unit = (n + 1) * 82 / servers - 1;
    for (int u = stage.first_unit; u <= stage.last_unit; ++u) {
      stage.types.push_back(*TypeMix::Parse(u % 3 == 0 ? "q4_0+attn_v=q8_0+ffn_down=q5_0" : "q4_0"));
      stage.weight_bytes += 400 << 20;
    }
    stage.decode_s = 0.01;
    stage.prefill_s = n % 2 == 0 ? 3 : 0.001;
    stage.hop_decode_s = n > 0 ? 0.002 : 0;
    plan.stages.push_back(std::move(stage));
  }
  plan.predicted = {servers * 0.012, servers * 2.0, 100, 0.002};
  plan.binding = {"memory of server-0.rack-b.building-7: 2.7 GiB of 2.8 GiB used"};
  plan.explanation.limits = {
      {"memory of server-0.rack-b.building-7", "MiB", 2764.8, 2867.2, 0, 112, 1.25, 7.5, true},
      {"link server-0.rack-b.building-7 - server-1.rack-b.building-7",
       "Mbit/s",
       {},
       940,
       3e-6,
       1,
       3e-6,
       0.1,
       false},
      {"loss budget", "x 0.01", 20, 20, 0, 0, 0, 0, true}};
  plan.explanation.unused = {
      {"server-99.rack-b.building-7", true, true, 2.5,
       "the best plan that uses server-99.rack-b.building-7 takes 2.5 s longer (proven)"}};
  return plan;
}

TEST_F(ReportPage, KeepsItsLayoutWithManyServersOrOne) {
  for (const int servers : {1, 12}) {
    const Plan plan = ManyUnits(servers);
    const auto data = PlanReportData({.plan = &plan, .no_trade_off = "-"});
    ASSERT_TRUE(data.ok()) << data.status();
    ASSERT_NO_FATAL_FAILURE(Open(*data));
    const std::string text = Value("document.getElementById('binding').innerText").get<std::string>();
    for (const char* part :
         {"+112", "1.25 s", "not proven", "anything (proven): loss budget", "2.5 s longer"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " is not in: " << text;
    CheckLayout(fmt::format("servers-{}", servers), 1100, false);
    CheckLayout(fmt::format("servers-{}-phone", servers), 360, true);
  }
}

TEST_F(ReportPage, OfAPlanAloneSaysWhatItLacks) {
  ReportInputs inputs;
  inputs.plan = &fixture_.plan;
  inputs.no_trade_off = "The curve needs --cluster and --profile.";
  const auto data = PlanReportData(inputs);
  ASSERT_TRUE(data.ok()) << data.status();
  ASSERT_NO_FATAL_FAILURE(Open(*data));
  EXPECT_NE(Value("document.body.innerText").get<std::string>().find(inputs.no_trade_off), std::string::npos);
  CheckLayout("alone", 1100, false);
}

TEST_F(ReportPage, TextOfTheDataIsNeverMarkup) {
  fixture_.plan.model_name = "</script><script>document.body.dataset.broken = 1</script><b>&amp;{{data}}";
  fixture_.plan.binding = {"<img src=x onerror='document.body.dataset.broken = 1'>"};
  const auto data = PlanReportData(All());
  ASSERT_TRUE(data.ok()) << data.status();
  ASSERT_NO_FATAL_FAILURE(Open(*data));
  EXPECT_EQ(Value("document.body.dataset.broken ?? null"), nullptr);
  EXPECT_EQ(Value("document.title").get<std::string>(), fixture_.plan.model_name + " on four-servers");
}

}  // namespace
}  // namespace dilemma
