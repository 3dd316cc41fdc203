// Ctrl-C at any moment of the long commands: they end with code 130, and no process and no file stays.
#include "gmock/gmock.h"
#include "simulator/emulator.h"
#include "tests/background_command.h"
#include "tests/ring_fixture.h"
#include "tests/three_servers.h"

namespace dilemma {
namespace {

using testing::BackgroundCommand;
using ::testing::IsEmpty;

void ExpectNothingLeft(const BackgroundCommand& command) {
  EXPECT_THAT(command.Survivors(), IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(command.temporary()));
}

struct Moment {
  const char* name;
  const char* text;  // what the demo has printed by then
  int signal;
  bool whole_group;  // as a terminal does it, or the command alone
};

void PrintTo(const Moment& moment, std::ostream* out) { *out << moment.name; }

class DemoInterruptTest : public ::testing::TestWithParam<Moment> {};

TEST_P(DemoInterruptTest, LeavesNothing) {
  NEEDS_MODEL();
  BackgroundCommand demo({"demo"});
  ASSERT_TRUE(demo.WaitFor(GetParam().text)) << demo.Out() << demo.Err();
  EXPECT_GT(demo.Survivors().size(), 4u) << "the nodes do not carry the mark that this test looks for";
  demo.Signal(GetParam().signal, GetParam().whole_group);
  EXPECT_EQ(demo.Wait(), 130) << demo.Err();
  EXPECT_NE(demo.Err().find("interrupted"), std::string::npos) << demo.Err();
  ExpectNothingLeft(demo);
}

INSTANTIATE_TEST_SUITE_P(Moments, DemoInterruptTest,
                         ::testing::Values(Moment{"ClusterUp", "links (one way)", SIGINT, true},
                                           Moment{"ClusterUpAlone", "links (one way)", SIGINT, false},
                                           Moment{"Profiling", "profiling", SIGTERM, false}),
                         [](const auto& test) { return test.param.name; });

TEST(KillTest, ADemoThatIsKilledTakesItsNodesAlong) {
  NEEDS_MODEL();
  BackgroundCommand demo({"demo"});
  ASSERT_TRUE(demo.WaitFor("links (one way)")) << demo.Out() << demo.Err();
  demo.Signal(SIGKILL, false);
  EXPECT_EQ(demo.Wait(), 128 + SIGKILL);
  for (int i = 0; i < 1000 && !demo.Survivors().empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_THAT(demo.Survivors(), IsEmpty());
}

TEST(RunInterruptTest, TheServersAreFreeAfterwards) {
  NEEDS_MODEL();
  CutModel cut = CutForTest({10, 20});
  const auto emulated = EmulateThreeServers(cut.dir.path() / "nodes");
  ASSERT_TRUE(emulated.ok()) << emulated.status();
  const std::string plan = cut.dir.path() / "plan.json", file = cut.dir.path() / "cluster.toml";
  cut.plan.model_path = cut.whole();
  ASSERT_TRUE(WriteJson(plan, PlanToJson(cut.plan)).ok());
  ASSERT_TRUE(WriteFileAtomically(file, ClusterToToml((*emulated)->cluster())).ok());
  const auto command = [&](const std::string& tokens) {
    return std::vector<std::string>{"run",        plan, "--raw", "Once upon a time", "-c", file, "-s",
                                    cut.shards(), "-n", tokens};
  };

  BackgroundCommand cancelled(command("240"));
  ASSERT_TRUE(cancelled.WaitFor(" the ")) << cancelled.Out() << cancelled.Err();
  cancelled.Signal(SIGINT, true);
  EXPECT_EQ(cancelled.Wait(), 130) << cancelled.Err();
  ExpectNothingLeft(cancelled);

  BackgroundCommand next(command("8"));
  EXPECT_EQ(next.Wait(), 0) << next.Err();
  EXPECT_FALSE(next.Out().empty());
}

}  // namespace
}  // namespace dilemma
