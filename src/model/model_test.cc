#include "model/model.h"

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

TensorInfo Matrix(const std::string& name, int64_t row, int64_t rows) {
  TensorInfo tensor;
  tensor.name = name;
  tensor.shape = {row, rows, 1, 1};
  tensor.type = *ParseTensorType("f16");
  tensor.bytes = 2 * row * rows;
  tensor.quantizable = true;
  return tensor;
}

TEST(TensorTypeTest, NamesGoBothWays) {
  for (TensorType type : Menu(256)) {
    const auto parsed = ParseTensorType(Name(type));
    ASSERT_TRUE(parsed.ok()) << Name(type);
    EXPECT_EQ(*parsed, type);
  }
  EXPECT_EQ(*ParseTensorType("Q4_0"), *ParseTensorType("q4_0"));
  EXPECT_FALSE(ParseTensorType("q4_9").ok());
  EXPECT_FALSE(ParseTensorType("").ok());
}

TEST(TensorTypeTest, SizesCountTheScales) {
  EXPECT_DOUBLE_EQ(BitsPerWeight(*ParseTensorType("q4_0")), 4.5);
  EXPECT_DOUBLE_EQ(BitsPerWeight(*ParseTensorType("q8_0")), 8.5);
  EXPECT_DOUBLE_EQ(BitsPerWeight(*ParseTensorType("q6_k")), 6.5625);
  EXPECT_EQ(RowBytes(*ParseTensorType("q5_0"), 576), 576 / 32 * 22);
}

TEST(TensorTypeTest, MenuFollowsTheRowLength) {
  const auto names = [](int64_t row) {
    std::vector<std::string> names;
    for (TensorType type : Menu(row)) names.push_back(Name(type));
    return names;
  };
  EXPECT_THAT(names(576),
              testing::ElementsAre("f16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl", "q2_0"));
  EXPECT_THAT(names(33), testing::ElementsAre("f16"));
  EXPECT_THAT(names(256), testing::IsSupersetOf({"q6_k", "q4_k", "q2_k"}));
  const std::vector<TensorType> menu = Menu(256);
  for (size_t i = 1; i < menu.size(); ++i) EXPECT_GE(BitsPerWeight(menu[i - 1]), BitsPerWeight(menu[i]));
}

TEST(TypeMixTest, TextGoesBothWays) {
  for (const std::string text : {"q4_0", "iq4_nl+attn_v=q8_0+ffn_down=q5_0"}) {
    const auto mix = TypeMix::Parse(text);
    ASSERT_TRUE(mix.ok()) << mix.status();
    EXPECT_EQ(mix->ToString(), text);
    EXPECT_EQ(*TypeMix::Parse(mix->ToString()), *mix);
  }
  const TypeMix mix = *TypeMix::Parse("Q4_0+ffn_down=Q5_0+attn_v=Q8_0");
  EXPECT_EQ(mix.ToString(), "q4_0+attn_v=q8_0+ffn_down=q5_0");
  EXPECT_EQ(Name(mix.For("attn_v")), "q8_0");
  EXPECT_EQ(Name(mix.For("attn_q")), "q4_0");
}

TEST(TypeMixTest, BadTextIsRefused) {
  for (const std::string text : {"", "q4_0+", "q4_0+ffn_down", "q4_0+ffn_down=", "q4_0+=q8_0", "+q4_0",
                                 "q4_0+Ffn=q8_0", "q4_0+a=q8_0+a=q5_0", "q4_0 +a=q8_0", "q4_0+a b=q8_0"}) {
    EXPECT_FALSE(TypeMix::Parse(text).ok()) << text;
  }
}

TEST(TensorRoleTest, DropsLayerAndSuffix) {
  EXPECT_EQ(TensorRole("blk.3.ffn_down.weight"), "ffn_down");
  EXPECT_EQ(TensorRole("blk.13.attn_q.bias"), "attn_q");
  EXPECT_EQ(TensorRole("output.weight"), "output");
  EXPECT_EQ(TensorRole("token_embd.weight"), "token_embd");
}

TEST(UnitTest, BytesMenuAndBits) {
  Unit unit;
  unit.tensors = {Matrix("blk.0.attn_q.weight", 576, 10), Matrix("blk.0.ffn_down.weight", 1536, 4)};
  TensorInfo norm = Matrix("blk.0.attn_norm.weight", 576, 1);
  norm.quantizable = false;
  norm.bytes = 4 * 576;
  unit.tensors.push_back(norm);
  EXPECT_EQ(*UnitBytes(unit, *TypeMix::Parse("q4_0")), 10 * 576 / 32 * 18 + 4 * 1536 / 32 * 18 + 4 * 576);
  EXPECT_EQ(*UnitBytes(unit, *TypeMix::Parse("q4_0+ffn_down=q6_k")),
            10 * 576 / 32 * 18 + 4 * 6 * 210 + 4 * 576);
  const auto refused = UnitBytes(unit, *TypeMix::Parse("q6_k"));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(Message(refused.status())), testing::HasSubstr("attn_q"));
  EXPECT_DOUBLE_EQ(UnitBitsPerWeight(unit, *TypeMix::Parse("q8_0")), 8.5);
  for (TensorType type : UnitMenu(unit)) EXPECT_TRUE(UnitBytes(unit, TypeMix{type, {}}).ok());
}

}  // namespace
}  // namespace dilemma
