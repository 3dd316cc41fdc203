// The report of a plan, opened in a real browser (page_test.h).
#include "planner/make_plan.h"
#include "report/page.h"
#include "report/report_data.h"
#include "study/trade_off.h"
#include "tests/page_test.h"
#include "tests/report_fixture.h"

namespace dilemma {
namespace {

class ReportPage : public PageTest {
 protected:
  void SetUp() override {
    PageTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto fixture = MakeReportFixture();
    ASSERT_TRUE(fixture.ok()) << fixture.status();
    fixture_ = *std::move(fixture);
  }

  void Open(const Json& data) {
    const auto path = dir_->path() / "report.html";
    ASSERT_TRUE(WriteFileAtomically(path, RenderPage(data)).ok());
    OpenPage(path);
  }

  ReportInputs All() {
    return {&fixture_.plan,    &fixture_.model,    &fixture_.cluster, &fixture_.profile,
            &fixture_.quality, &fixture_.measured, nullptr,           "The curve needs the planner."};
  }

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

  ExpectCharts(
      {"cluster-picture", "units-chart", "decode-chart", "prefill-chart", "memory-chart", "trade-off-chart"});
  const Json marks = Value(kCountMarks);
  EXPECT_GE(marks["units-chart"].get<size_t>(), fixture_.model.units.size());
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
