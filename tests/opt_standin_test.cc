// The stand-in for OPT-350m (docs/opt.md): its topology with trained weights. Cut and quantized with
// k-quants, it computes what the whole does; and it has learned something.
#include <algorithm>
#include <cmath>
#include <random>

#include "base/file.h"
#include "base/status.h"
#include "distill/distill.h"
#include "engine/tokenizer.h"
#include "gtest/gtest.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"
#include "tests/opt_reference.h"

namespace dilemma::testing {
namespace {

namespace fs = std::filesystem;

// In the repository, or where experiments/train_standin.py's result was put on this machine.
fs::path ModelPath() {
  const fs::path shipped = fs::path(DILEMMA_SOURCE_DIR) / "models/opt-standin.gguf";
  return fs::exists(shipped) ? shipped : CacheDir() / "models/opt-standin.gguf";
}
constexpr StageOptions kOptions = {
    .context = 128, .sequences = 1, .max_batch = 128, .threads = 1, .all_logits = true};
// Written for this test; in the form that the model was trained on.
constexpr const char* kText =
    "Answer each question with a few words copied from the passage.\n\nPassage: The university was founded "
    "in 1882 and "
    "is one of the largest in the country. It is known for its school of law.\nQuestion: When was the "
    "university "
    "founded?\nAnswer:";

class OptStandinTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(ModelPath()))
      GTEST_SKIP() << ModelPath() << " is not there: docs/opt.md says how it is made";
  }
};

std::vector<int32_t> Prompt() {
  const auto tokenizer = Tokenizer::Load(ModelPath());
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? (*tokenizer)->Encode(kText, /*special=*/false, /*add_bos=*/true)
                        : std::vector<int32_t>{2};
}

TEST_F(OptStandinTest, HasThePapersTopologyAndRowsForKQuants) {
  const auto model = ReadModel(ModelPath());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->n_layer, 24);
  EXPECT_TRUE(model->tied_head);
  EXPECT_LE(model->file_bytes, 60'000'000);
  for (const Unit& unit : model->units) {
    const auto menu = UnitMenu(unit);
    EXPECT_NE(std::find(menu.begin(), menu.end(), *ParseTensorType("q4_k")), menu.end()) << unit.Label();
    for (const TensorInfo& tensor : unit.tensors) EXPECT_FALSE(tensor.name.ends_with("attn_norm.weight"));
  }
}

TEST_F(OptStandinTest, QuantizedStagesEqualTheQuantizedWholeExactly) {
  const auto model = ReadModel(ModelPath());
  ASSERT_TRUE(model.ok()) << model.status();
  const auto dir = TempDir::Create("dilemma-standin");
  ASSERT_TRUE(dir.ok());
  const int units = static_cast<int>(model->units.size());
  const OptReference text = {.prompt = Prompt(), .tokens = {40, 50, 60}, .logits = {}};
  for (const char* mix : {"q4_k", "q6_k+ffn_down=q2_k"}) {
    const fs::path path = dir->path() / "whole.gguf";
    const std::vector<TypeMix> types(static_cast<size_t>(units), *TypeMix::Parse(mix));
    ASSERT_TRUE(WriteWhole(*model, types, path).ok());
    const auto whole = WholeModel(path, kOptions);
    ASSERT_TRUE(whole.ok()) << whole.status();
    const auto chain = CutModel(ModelPath(), {0, 7, 18, units}, mix, dir->path(), kOptions);
    ASSERT_TRUE(chain.ok()) << chain.status();
    const auto expected = Follow(*whole, text), found = Follow(*chain, text);
    ASSERT_TRUE(expected.ok() && found.ok());
    EXPECT_TRUE(*expected == *found) << mix;
  }
}

TEST_F(OptStandinTest, ADistilledModelOfTiedEndsKeepsOneMatrix) {
  const auto model = ReadModel(ModelPath());
  ASSERT_TRUE(model.ok()) << model.status();
  const auto dir = TempDir::Create("dilemma-standin");
  ASSERT_TRUE(dir.ok());
  std::mt19937 random(1);
  std::vector<std::vector<int32_t>> windows(4);
  for (auto& window : windows) {
    window.push_back(2);
    while (window.size() < 16)
      window.push_back(static_cast<int32_t>(random() % static_cast<unsigned>(model->n_vocab)));
  }
  std::vector<TypeMix> types(model->units.size(), *TypeMix::Parse("q8_0"));  // copied
  types.front() = types.back() = *TypeMix::Parse("iq4_nl");
  const fs::path path = dir->path() / "student.gguf";
  const auto made = Distill(*model, types, windows, {.work_dir = {}}, path);
  ASSERT_TRUE(made.ok()) << made.status();
  const auto student = ReadModel(path);
  ASSERT_TRUE(student.ok()) << student.status();
  EXPECT_TRUE(student->tied_head);
  EXPECT_LT(student->file_bytes, model->file_bytes);
  const auto whole = WholeModel(path, kOptions);
  ASSERT_TRUE(whole.ok()) << whole.status();
  const OptReference text = {.prompt = Prompt(), .tokens = {}, .logits = {}};
  const auto logits = Follow(*whole, text);
  ASSERT_TRUE(logits.ok()) << logits.status();
  for (const std::vector<float>& row : *logits)
    EXPECT_TRUE(std::ranges::all_of(row, [](float value) { return std::isfinite(value); }));
}

TEST_F(OptStandinTest, PredictsTextFarBetterThanChance) {
  const auto whole = WholeModel(ModelPath(), kOptions);
  ASSERT_TRUE(whole.ok()) << whole.status();
  const OptReference text = {.prompt = Prompt(), .tokens = {}, .logits = {}};
  const auto logits = Follow(*whole, text);
  ASSERT_TRUE(logits.ok()) << logits.status();
  double loss = 0;
  for (size_t i = 0; i + 1 < text.prompt.size(); ++i) {
    const std::vector<float>& row = logits->at(i);
    double sum = 0;
    for (const float value : row) sum += std::exp(static_cast<double>(value));
    loss += std::log(sum) - row[static_cast<size_t>(text.prompt[i + 1])];
  }
  loss /= static_cast<double>(text.prompt.size() - 1);
  EXPECT_LT(loss, std::log(static_cast<double>(logits->front().size())) - 3) << "nats a token";
}

}  // namespace
}  // namespace dilemma::testing
