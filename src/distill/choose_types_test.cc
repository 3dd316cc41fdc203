#include "distill/choose_types.h"

#include <random>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

TensorInfo Tensor(const std::string& name, int64_t rows) {
  TensorInfo tensor;
  tensor.name = name;
  tensor.shape = {64, rows, 1, 1};
  tensor.type = *ParseTensorType("f16");
  tensor.bytes = 128 * rows;
  tensor.quantizable = true;
  return tensor;
}

// Embedding, three layers and head, with a made-up table of losses.
struct Small {
  ModelInfo model;
  QualityTable table;
  explicit Small(bool tied, unsigned seed) {
    model.tied_head = tied;
    for (int u = 0; u < 5; ++u) {
      Unit unit;
      unit.kind = u == 0 ? UnitKind::kEmbedding : u == 4 ? UnitKind::kHead : UnitKind::kLayer;
      unit.layer = unit.kind == UnitKind::kLayer ? u - 1 : -1;
      unit.tensors = {Tensor(u == 0   ? "token_embd.weight"
                             : u == 4 ? "output.weight"
                                      : "blk.0.ffn_up.weight",
                             u == 0 || u == 4 ? 500 : 100 + 37 * u)};
      model.file_bytes += u == 4 && tied ? 0 : unit.tensors[0].bytes;
      model.units.push_back(unit);
    }
    model.file_bytes += 1000;  // keys
    std::mt19937 random(seed);
    for (const Unit& unit : model.units) {
      UnitQuality quality;
      double loss = 0;
      for (const char* type : {"q8_0", "q5_0", "q4_0", "q2_0"}) {
        const TypeMix mix = *TypeMix::Parse(type);
        loss += static_cast<double>(random() % 1000) / 1000;
        quality.choices.push_back({mix, *UnitBytes(unit, mix), loss});
      }
      table.units.push_back(quality);
    }
  }

  // The least loss within `limit`, by trying everything.
  double BruteForce(int64_t limit) const {
    double best = INFINITY;
    for (int code = 0; code < 1024; ++code) {
      double loss = 0;
      int64_t bytes = 1000;
      bool valid = true;
      for (int u = 0, rest = code; u < 5; ++u, rest /= 4) {
        const Choice& choice = table.units[static_cast<size_t>(u)].choices[static_cast<size_t>(rest % 4)];
        loss += choice.loss;
        if (u == 4 && model.tied_head) {
          valid = rest % 4 == code % 4;
        } else {
          bytes += choice.bytes;
        }
      }
      if (valid && bytes <= limit) best = std::min(best, loss);
    }
    return best;
  }
};

TEST(ChooseTypesTest, EqualsTryingEverything) {
  for (const bool tied : {false, true}) {
    for (unsigned seed = 1; seed <= 10; ++seed) {
      const Small small(tied, seed);
      for (const int64_t limit : {40000, 50000, 60000, 90000, 200000}) {
        const double best = small.BruteForce(limit);
        const auto chosen = ChooseTypes(small.model, small.table, limit);
        if (!std::isfinite(best)) {
          EXPECT_EQ(chosen.status().code(), absl::StatusCode::kFailedPrecondition);
          continue;
        }
        ASSERT_TRUE(chosen.ok()) << chosen.status();
        EXPECT_LE(chosen->file_bytes, limit);
        EXPECT_NEAR(chosen->loss, best, 1e-5) << tied << " " << seed << " " << limit;
        if (tied) {
          EXPECT_EQ(chosen->types.front().For("token_embd"), chosen->types.back().For("output"));
        }
      }
    }
  }
}

TEST(ChooseTypesTest, SaysTheSmallestSize) {
  const Small small(true, 1);
  const auto chosen = ChooseTypes(small.model, small.table, 2000);
  EXPECT_EQ(chosen.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(chosen.status().message()), testing::HasSubstr("the smallest file is"));
}

TEST(ChooseTypesTest, TableOfAnotherModelIsRefused) {
  Small small(false, 1);
  small.table.units.pop_back();
  EXPECT_EQ(ChooseTypes(small.model, small.table, 100000).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace dilemma
