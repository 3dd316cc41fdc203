#include "engine/tokenizer.h"

#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

class TokenizerTest : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path path = CacheDir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf";
    if (!fs::exists(path)) {
      GTEST_SKIP() << "the model is not there; scripts/model.sh fetches it to " << path.string();
    }
    auto tokenizer = Tokenizer::Load(path);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
  }
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(TokenizerTest, TextSurvives) {
  for (const std::string text :
       {"The capital of France is Paris.", "  two  spaces\n\tand a tab ", "naïve – 東京 🙂", ""}) {
    EXPECT_EQ(tokenizer_->Decode(tokenizer_->Encode(text, false, false)), text);
  }
  std::string large;
  for (int i = 0; i < 20000; ++i) large += "word ";
  EXPECT_EQ(tokenizer_->Decode(tokenizer_->Encode(large, false, false)), large);
}

TEST_F(TokenizerTest, SpecialTextIsOneTokenOnlyWhenAsked) {
  EXPECT_EQ(tokenizer_->Encode("<|im_start|>", true, false).size(), 1U);
  EXPECT_GT(tokenizer_->Encode("<|im_start|>", false, false).size(), 1U);
}

TEST_F(TokenizerTest, KnowsTheEnd) {
  const std::vector<int32_t> end = tokenizer_->Encode("<|im_end|>", true, false);
  ASSERT_EQ(end.size(), 1U);
  EXPECT_TRUE(tokenizer_->IsEndOfGeneration(end[0]));
  EXPECT_THAT(tokenizer_->EndOfGenerationTokens(), testing::Contains(end[0]));
  EXPECT_FALSE(tokenizer_->IsEndOfGeneration(tokenizer_->Encode("a", false, false)[0]));
  EXPECT_EQ(tokenizer_->vocab_size(), 49152);
}

TEST_F(TokenizerTest, TokensOutOfRangeAreEmpty) {
  EXPECT_EQ(tokenizer_->Piece(-1), "");
  EXPECT_EQ(tokenizer_->Piece(1 << 30), "");
}

TEST_F(TokenizerTest, AppliesTheChatTemplate) {
  const auto text = tokenizer_->ApplyChatTemplate({{"system", "Be brief."}, {"user", "Hello?"}});
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(
      *text,
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello?<|im_end|>\n<|im_start|>assistant\n");
}

TEST(TokenizerErrorTest, FilesThatAreNotModels) {
  EXPECT_FALSE(Tokenizer::Load("/nonexistent/model.gguf").ok());
  EXPECT_FALSE(Tokenizer::Load("/dev/null").ok());
}

}  // namespace
}  // namespace dilemma
