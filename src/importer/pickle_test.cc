// Pickles written by hand, instruction by instruction: what torch.save writes, and what an attacker might.
#include "importer/pickle.h"

#include <random>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;

std::string Text(const std::string& text) {
  return "X" + std::string(1, static_cast<char>(text.size())) + "\0\0\0"s + text;
}
std::string Storage(const std::string& type, const std::string& key, char elements) {
  return "(" + Text("storage") + "ctorch\n" + type + "\n" + Text(key) + Text("cpu") + "K" + elements + "tQ";
}
std::string Tensor(const std::string& storage) {  // 2 x 3 from element 1
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + "K\1K\2K\3\x86K\3K\1\x86\x89" +
         "ccollections\nOrderedDict\n)RtR"s;
}
std::string Dict(const std::string& entries) { return "\x80\2"s + "}(" + entries + "u."; }

TEST(PickleTest, ReadsATensor) {
  const auto tensors = ReadStateDict(Dict(Text("a.weight") + Tensor(Storage("HalfStorage", "0", 7))), "file");
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 1u);
  const PickledTensor& tensor = tensors->front();
  EXPECT_EQ(tensor.name, "a.weight");
  EXPECT_EQ(tensor.dtype, "HalfStorage");
  EXPECT_EQ(tensor.storage, "0");
  EXPECT_EQ(tensor.storage_size, 7);
  EXPECT_EQ(tensor.offset, 1);
  EXPECT_EQ(tensor.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(tensor.strides, (std::vector<int64_t>{3, 1}));
}

TEST(PickleTest, LooksIntoAStateDictOfATrainingScript) {
  const std::string inner = "}(" + Text("a") + Tensor(Storage("FloatStorage", "0", 7)) + "u";
  const auto tensors = ReadStateDict(Dict(Text("epoch") + "K\3" + Text("state_dict") + inner), "file");
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  EXPECT_EQ(tensors->front().name, "a");
}

TEST(PickleTest, RefusesToNameAnythingElse) {
  for (const std::string& program :
       {"cposix\nsystem\n"s + Text("true") + "\x85R."s, "\x80\4"s + Text("os") + Text("system") + "\x93."s,
        "ctorch.storage\n_load_from_bytes\n."s, "cbuiltins\neval\n."s, "ctorch\nload\n."s,
        "ios\nsystem\n."s}) {
    const auto tensors = ReadStateDict(program, "model.bin");
    ASSERT_FALSE(tensors.ok());
    EXPECT_THAT(std::string(Message(tensors.status())),
                testing::AllOf(HasSubstr("model.bin"), HasSubstr("refused")));
  }
}

TEST(PickleTest, RefusesOtherContents) {
  for (const std::string& program :
       {Dict(Text("a") + "K\1"), "K\1."s, ")."s, "}"s, ""s, "."s, "}}."s, "0."s, "u."s, "q\1."s, "h\1."s,
        "R."s, "}K\1s."s, "X\xff\xff\xff\xff."s, "\x8a\x09"s + std::string(9, '\1') + "."s, "(Q."s,
        "}(K\1u."s, "\x85."s}) {
    EXPECT_FALSE(ReadStateDict(program, "file").ok()) << testing::PrintToString(program);
  }
}

TEST(PickleTest, DamageIsAnErrorNeverACrash) {
  const std::string good = Dict(Text("a") + Tensor(Storage("FloatStorage", "0", 7)) + Text("b") +
                                Tensor(Storage("HalfStorage", "1", 9)));
  ASSERT_TRUE(ReadStateDict(good, "file").ok());
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(ReadStateDict(good.substr(0, length), "file").ok());
  }
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string bad = good;
    for (int j = 0; j < 1 + i % 4; ++j) bad[random() % bad.size()] = static_cast<char>(random());
    (void)ReadStateDict(bad, "file");  // any result will do
  }
}

}  // namespace
}  // namespace dilemma
