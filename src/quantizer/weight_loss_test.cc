#include "quantizer/weight_loss.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "model/gguf_reader.h"

namespace dilemma {
namespace {

TEST(WeightLossTest, FewerBitsLoseMoreAndTheSourceGridLosesNothing) {
  const auto path = CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there: scripts/model.sh fetches it";
  ModelInfo model = *ReadModel(path);
  model.units.resize(3);  // embedding and two layers: enough, and fast
  const std::vector<TypeMix> menu = {*TypeMix::Parse("q8_0"), *TypeMix::Parse("q5_0"),
                                     *TypeMix::Parse("q4_0"), *TypeMix::Parse("q4_1"),
                                     *TypeMix::Parse("q6_k")};
  const QualityTable table = *WeightLoss(model, menu);
  ASSERT_EQ(table.units.size(), 3U);
  const auto loss = [&](const char* type) { return table.Find(1, *TypeMix::Parse(type))->loss; };
  EXPECT_GT(loss("q4_0"), 2 * loss("q5_0"));
  EXPECT_GT(loss("q5_0"), 10 * loss("q8_0"));
  EXPECT_GT(loss("q8_0"), 0);
  EXPECT_LT(loss("q4_1"), 1e-9);                               // the file's own grid
  EXPECT_EQ(table.Find(1, *TypeMix::Parse("q6_k")), nullptr);  // rows of 576 are no multiple of 256
  EXPECT_EQ(OnSourceGrid(model), std::vector<TensorType>{*ParseTensorType("q4_1")});
}

TEST(WeightLossTest, CancelsAndRefuses) {
  const auto path = CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there: scripts/model.sh fetches it";
  const ModelInfo model = *ReadModel(path);
  EXPECT_EQ(WeightLoss(model, {}, [](int, int) { return false; }).status().code(),
            absl::StatusCode::kCancelled);
  const std::vector<TypeMix> menu = {*TypeMix::Parse("q6_k")};
  EXPECT_EQ(WeightLoss(model, menu).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace dilemma
