#include "runtime/shard_store.h"

#include "base/file.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

class ShardStoreTest : public testing::Test {
 protected:
  std::unique_ptr<ShardStore> Open(int64_t limit = 0) { return *ShardStore::Open(dir_.path(), limit); }
  // As a sender does, from `offset` on.
  static absl::Status Put(ShardStore& store, const std::string& bytes, int64_t offset = 0) {
    auto upload = store.Receive(Sha256(bytes), static_cast<int64_t>(bytes.size()), offset);
    if (!upload.ok()) return upload.status();
    const absl::Status added = (*upload)->Add(std::string_view(bytes).substr(static_cast<size_t>(offset)));
    return added.ok() ? (*upload)->Finish() : added;
  }
  TempDir dir_ = *TempDir::Create("dilemma-store");
};

TEST_F(ShardStoreTest, KeepsFindsAndDrops) {
  const std::string bytes(1000, 'x');
  {
    const auto store = Open();
    ASSERT_TRUE(Put(*store, bytes).ok());
  }
  const auto store = Open();  // another process, later
  EXPECT_TRUE(store->Has(Sha256(bytes)));
  ASSERT_EQ(store->List().size(), 1u);
  EXPECT_EQ(store->List()[0].bytes, 1000);
  EXPECT_EQ(*ReadFile((*store->Find(Sha256(bytes)))->path()), bytes);
  EXPECT_TRUE(store->Drop(Sha256(bytes)).ok());
  EXPECT_TRUE(absl::IsNotFound(store->Find(Sha256(bytes)).status()));
  EXPECT_TRUE(absl::IsNotFound(store->Drop(Sha256(bytes))));
}

TEST_F(ShardStoreTest, AnUploadGoesOnFromWhereItStopped) {
  const auto store = Open();
  const std::string bytes = std::string(600, 'a') + std::string(400, 'b');
  {
    auto upload = store->Receive(Sha256(bytes), 1000, 0);
    ASSERT_TRUE((*upload)->Add(bytes.substr(0, 600)).ok());
    EXPECT_TRUE(absl::IsAborted(store->Receive(Sha256(bytes), 1000, 0).status()));  // one at a time
  }
  EXPECT_EQ(store->ReceivedBytes(Sha256(bytes)), 600);
  EXPECT_TRUE(absl::IsOutOfRange(Put(*store, bytes, 601)));
  EXPECT_TRUE(Put(*store, bytes, 500).ok());  // what is beyond the offset is written anew
  EXPECT_EQ(*ReadFile((*store->Find(Sha256(bytes)))->path()), bytes);
}

TEST_F(ShardStoreTest, WrongBytesAreThrownAway) {
  const auto store = Open();
  const std::string hash = Sha256("right");
  {
    auto upload = store->Receive(hash, 5, 0);
    ASSERT_TRUE((*upload)->Add("wrong").ok());
    EXPECT_TRUE(absl::IsInvalidArgument((*upload)->Add("more")));
    EXPECT_TRUE(absl::IsDataLoss((*upload)->Finish()));
  }
  EXPECT_EQ(store->ReceivedBytes(hash), 0);
  EXPECT_FALSE(store->Has(hash));
  auto brief = store->Receive(hash, 5, 0);
  ASSERT_TRUE((*brief)->Add("rig").ok());
  EXPECT_TRUE(absl::IsInvalidArgument((*brief)->Finish()));
}

TEST_F(ShardStoreTest, AFileDamagedOnDiskIsRemoved) {
  const std::string bytes(1000, 'x');
  ASSERT_TRUE(Put(*Open(), bytes).ok());
  ASSERT_TRUE(WriteFileAtomically(dir_.path() / (Sha256(bytes) + ".gguf"), "damaged").ok());
  const auto store = Open();
  EXPECT_TRUE(absl::IsDataLoss(store->Find(Sha256(bytes)).status()));
  EXPECT_FALSE(store->Has(Sha256(bytes)));
}

TEST_F(ShardStoreTest, TheLimitCountsWhatIsStillToCome) {
  const auto store = Open(2000);
  ASSERT_TRUE(Put(*store, std::string(500, 'x')).ok());
  EXPECT_EQ(store->FreeBytes(), 1500);
  const auto first = store->Receive(Sha256("first"), 1000, 0);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(absl::IsResourceExhausted(store->Receive(Sha256("second"), 600, 0).status()));
  EXPECT_TRUE(store->Receive(Sha256("third"), 500, 0).ok());
}

// Three shards of 400 in 1300 bytes, "a" the first; none is waited for.
class EvictionTest : public ShardStoreTest {
 protected:
  static std::string Bytes(char c) { return std::string(400, c); }
  static std::string Hash(char c) { return Sha256(Bytes(c)); }
  // Times on disk are coarse; what was used when must not depend on them.
  void Age(char c, int hours) {
    std::filesystem::last_write_time(
        dir_.path() / (Hash(c) + ".gguf"),
        std::filesystem::file_time_type::clock::now() - std::chrono::hours(hours));
  }
  void Fill() {
    store_ = *ShardStore::Open(dir_.path(), 1300, std::chrono::seconds(0));
    for (const char c : {'a', 'b', 'c'}) {
      ASSERT_TRUE(Put(*store_, Bytes(c)).ok());
      Age(c, 'd' - c);
    }
  }
  std::unique_ptr<ShardStore> store_;
};

TEST_F(EvictionTest, TheOneNotUsedForLongestGoes) {
  Fill();
  { const auto used = store_->Find(Hash('a')); }  // now
  ASSERT_TRUE(Put(*store_, Bytes('d')).ok());
  EXPECT_TRUE(store_->Has(Hash('a')));
  EXPECT_FALSE(store_->Has(Hash('b')));
  EXPECT_TRUE(store_->Has(Hash('c')));
}

TEST_F(EvictionTest, OneInUseNeverGoes) {
  Fill();
  const auto a = store_->Find(Hash('a'));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Drop(Hash('a'))));
  ASSERT_TRUE(Put(*store_, Bytes('d')).ok());
  EXPECT_TRUE(store_->Has(Hash('a')));
  Age('c', 5);
  const auto c = store_->Find(Hash('c')), d = store_->Find(Hash('d'));
  const absl::Status full = Put(*store_, Bytes('e'));
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_EQ(store_->List().size(), 3u);
}

TEST_F(EvictionTest, NoneGoesWhereThatIsNotEnough) {
  Fill();
  const auto a = store_->Find(Hash('a'));
  EXPECT_TRUE(absl::IsResourceExhausted(store_->Receive(Sha256("x"), 1000, 0).status()));
  EXPECT_EQ(store_->List().size(), 3u);
}

TEST_F(EvictionTest, OneThatWasJustAskedForStays) {
  Fill();
  store_ = *ShardStore::Open(dir_.path(), 1300, std::chrono::minutes(1));
  EXPECT_TRUE(store_->Want(Hash('a')));
  ASSERT_TRUE(Put(*store_, Bytes('d')).ok());
  EXPECT_TRUE(store_->Has(Hash('a')));
  EXPECT_FALSE(store_->Has(Hash('b')));
}

TEST_F(EvictionTest, WhatABrokenUploadLeftGoesToo) {
  store_ = *ShardStore::Open(dir_.path(), 1300, std::chrono::seconds(0));
  {
    auto upload = store_->Receive(Sha256("never"), 1000, 0);
    ASSERT_TRUE((*upload)->Add(std::string(900, 'n')).ok());
  }
  ASSERT_TRUE(Put(*store_, Bytes('a')).ok());
  ASSERT_TRUE(Put(*store_, Bytes('b')).ok());
  EXPECT_EQ(store_->ReceivedBytes(Sha256("never")), 0);
}

TEST_F(ShardStoreTest, NamesThatAreNoHashesAreRefused) {
  const auto store = Open();
  for (const std::string name : {"", "abc", "../../../etc/passwd"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(store->Receive(name, 10, 0).status())) << name;
    EXPECT_FALSE(store->Has(name));
    EXPECT_TRUE(absl::IsInvalidArgument(store->Drop(name)));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(store->Receive(std::string(64, 'G'), 10, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store->Receive(Sha256("x"), -1, 0).status()));
}

}  // namespace
}  // namespace dilemma
