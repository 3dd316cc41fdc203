// The quality file of SmolLM2-135M that comes with the repository: it is the demo model's, whole, and good
// for what docs/quality.md says that it can be used for.
#include "base/file.h"
#include "base/status.h"
#include "distill/choose_types.h"
#include "gtest/gtest.h"
#include "model/gguf_reader.h"
#include "quality/quality.h"
#include "quantizer/importance.h"
#include "tests/command_runner.h"

namespace dilemma::testing {
namespace {

namespace fs = std::filesystem;

const fs::path kShipped = fs::path(DILEMMA_SOURCE_DIR) / "models/SmolLM2-135M-Instruct.quality.json";

class ShippedQualityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(SmolModel())) GTEST_SKIP() << SmolModel() << " is not there: run scripts/model.sh";
    model_ = ReadModel(SmolModel()).value();
  }
  ModelInfo model_;
};

TEST_F(ShippedQualityTest, IsTheDemoModels) {
  const auto table = ReadQuality(kShipped);
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->kind, LossKind::kMeasured);
  EXPECT_EQ(table->model, model_.name);
  ASSERT_EQ(table->units.size(), model_.units.size());
  for (size_t u = 0; u < table->units.size(); ++u) {
    EXPECT_EQ(table->units[u].unit, model_.units[u].Label());
    for (const Choice& choice : table->units[u].choices)
      EXPECT_EQ(choice.bytes, UnitBytes(model_.units[u], choice.mix).value()) << table->units[u].unit;
  }
}

TEST_F(ShippedQualityTest, MoreBytesLoseLess) {
  const auto table = ReadQuality(kShipped);
  ASSERT_TRUE(table.ok()) << table.status();
  const auto small = ChooseTypes(model_, *table, 92'000'000),
             large = ChooseTypes(model_, *table, 110'000'000);
  ASSERT_TRUE(small.ok() && large.ok()) << small.status() << large.status();
  EXPECT_LE(small->file_bytes, 92'000'000);
  EXPECT_LT(large->loss, small->loss);
}

TEST_F(ShippedQualityTest, HasAnImportanceForEveryInput) {
  const auto importance = ReadImportance(kShipped);
  ASSERT_TRUE(importance.ok()) << importance.status();
  for (const Unit& unit : model_.units) {
    for (const TensorInfo& tensor : unit.tensors) {
      if (!tensor.quantizable || unit.kind == UnitKind::kEmbedding) continue;
      const auto found = importance->find(unit.kind == UnitKind::kHead ? "output.weight" : tensor.name);
      ASSERT_NE(found, importance->end()) << tensor.name;
      EXPECT_EQ(static_cast<int64_t>(found->second.size()), tensor.shape[0]) << tensor.name;
    }
  }
}

}  // namespace
}  // namespace dilemma::testing
