#include "importer/safetensors.h"

#include <cstring>

#include "base/file.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

using testing::HasSubstr;

class SafetensorsTest : public testing::Test {
 protected:
  absl::StatusOr<std::vector<SourceTensor>> Read(const std::string& header, size_t data_bytes) {
    if (!dir_) dir_.emplace(*TempDir::Create("dilemma-safetensors"));
    std::string file(8, '\0');
    const uint64_t length = header.size();
    std::memcpy(file.data(), &length, 8);
    file += header + std::string(data_bytes, '\0');
    const auto path = dir_->path() / "model.safetensors";
    EXPECT_TRUE(WriteFileAtomically(path, file).ok());
    return ReadSafetensorsHeader(path);
  }
  std::string Failure(const std::string& header, size_t data_bytes) {
    const auto result = Read(header, data_bytes);
    EXPECT_FALSE(result.ok()) << header;
    EXPECT_THAT(std::string(Message(result.status())), HasSubstr("model.safetensors"));
    return std::string(Message(result.status()));
  }
  std::optional<TempDir> dir_;
};

TEST_F(SafetensorsTest, ReadsTypesShapesAndOffsets) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},)"
      R"("b":{"dtype":"BF16","shape":[],"data_offsets":[12,14]},"c":{"dtype":"F32","shape":[0,9],"data_offsets":[14,14]}})";
  const auto tensors = Read(header, 14);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 3u);
  EXPECT_EQ(tensors->at(0).name, "a");
  EXPECT_EQ(tensors->at(0).shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(tensors->at(0).type, SourceType::kF16);
  EXPECT_EQ(tensors->at(1).offset, static_cast<int64_t>(8 + header.size() + 12));
}

TEST_F(SafetensorsTest, RefusesWhatDoesNotFit) {
  const auto one = [](const std::string& fields) { return "{\"a\":{" + fields + "}}"; };
  EXPECT_THAT(Failure(one(R"("dtype":"F16","shape":[2,3],"data_offsets":[0,12])"), 11),
              HasSubstr("incomplete"));
  EXPECT_THAT(Failure(one(R"("dtype":"F16","shape":[2,3],"data_offsets":[0,10])"), 12),
              HasSubstr("data_offsets"));
  EXPECT_THAT(Failure(one(R"("dtype":"I64","shape":[2],"data_offsets":[0,16])"), 16), HasSubstr("dtype I64"));
  EXPECT_THAT(Failure(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), 4), HasSubstr("[-1]"));
  EXPECT_THAT(Failure(one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"), 4),
              HasSubstr("a"));
  EXPECT_THAT(Failure(one(R"("dtype":"F32","shape":[1],"data_offsets":[-4,0])"), 4),
              HasSubstr("data_offsets"));
  EXPECT_THAT(Failure(one(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), 4), HasSubstr("data_offsets"));
  EXPECT_THAT(Failure(one(R"("dtype":"F32","data_offsets":[0,4])"), 4), HasSubstr("shape"));
  EXPECT_THAT(
      Failure(one(R"("dtype":"F32","shape":[1],"data_offsets":[9223372036854775803,9223372036854775807])"),
              4),
      HasSubstr("incomplete"));
  EXPECT_THAT(Failure(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                      R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
                      6),
              HasSubstr("overlap"));
  EXPECT_THAT(Failure("[1, 2]", 4), HasSubstr("not a JSON object"));
  EXPECT_THAT(Failure("{\"a\":", 4), HasSubstr("not valid JSON"));
  EXPECT_THAT(Failure("{\"a\":7}", 4), HasSubstr("a"));
}

}  // namespace
}  // namespace dilemma
