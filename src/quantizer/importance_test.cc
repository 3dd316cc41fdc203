#include "quantizer/importance.h"

#include <fstream>
#include <random>

#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quantizer/tensor_codec.h"

namespace dilemma {
namespace {

std::vector<float> Random(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.05F);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

double WeightedError(std::span<const float> weights, std::span<const float> values,
                     std::span<const float> importance) {
  double error = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double difference = static_cast<double>(weights[i]) - static_cast<double>(values[i]);
    error += difference * difference * static_cast<double>(importance[i % importance.size()]);
  }
  return error;
}

TEST(ImportanceTest, BytesReadBackAsTheirValuesAndBeatGgml) {
  const std::vector<float> weights = Random(64 * 256, 1);
  std::vector<float> importance = Random(256, 2);
  for (float& value : importance) value = value * value + 1e-5F;
  for (const char* name : {"q4_0", "q5_0", "iq4_nl", "q5_1", "q4_k", "q6_k"}) {
    const TensorType type = *ParseTensorType(name);
    std::vector<float> values(weights.size());
    const auto bytes = RoundByImportance(weights, importance, type, values);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    const std::vector<float> read = Dequantize(*bytes, type, 256);
    for (size_t i = 0; i < read.size(); ++i) ASSERT_NEAR(read[i], values[i], 1e-6F) << name << " at " << i;
    const std::vector<float> ggml = Dequantize(*Quantize(weights, type, 256), type, 256);
    EXPECT_LT(WeightedError(weights, values, importance), WeightedError(weights, ggml, importance)) << name;
  }
}

TEST(ImportanceTest, SurvivesAQualityFile) {
  const TempDir dir = *TempDir::Create("importance-test");
  const auto path = dir.path() / "quality.json";
  const Importance importance = {{"blk.0.attn_q.weight", {1.5F, 0.25F, 0}}, {"output.weight", {3e-7F}}};
  ASSERT_TRUE(
      WriteJson(path,
                {{"format", "dilemma-quality"}, {"version", 1}, {"importance", ImportanceToJson(importance)}})
          .ok());
  const auto read = ReadImportance(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, importance);
}

TEST(ImportanceTest, BadFilesAreRefused) {
  const TempDir dir = *TempDir::Create("importance-test");
  const auto path = dir.path() / "quality.json";
  const auto read = [&](const Json& entry) {
    EXPECT_TRUE(WriteJson(path, {{"format", "dilemma-quality"}, {"version", 1}, {"importance", entry}}).ok());
    return ReadImportance(path).status();
  };
  EXPECT_THAT(std::string(read(Json::array({{{"tensor", "a"}, {"columns", "1 nan"}}})).message()),
              testing::HasSubstr("'nan'"));
  EXPECT_FALSE(read(Json::array({{{"tensor", "a"}, {"columns", "1 -2"}}})).ok());
  EXPECT_FALSE(read(Json::array({{{"tensor", "a"}, {"columns", ""}}})).ok());
  EXPECT_FALSE(read(Json::array({{{"columns", "1"}}})).ok());
  EXPECT_FALSE(read("much").ok());
  EXPECT_FALSE(ReadImportance(dir.path() / "none.json").ok());
}

}  // namespace
}  // namespace dilemma
