// How each tensor type packs a block of weights: which values a weight can take once the block's scales are
// chosen, and which bits hold its code. Every type of the menu but F16. Immutable, so safe from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "model/tensor_type.h"

namespace dilemma {

inline constexpr int kMaxBlock = 256;

// The values that weight j of a block can take: scale[j] * level(code) + offset[j].
struct BlockGrid {
  alignas(64) std::array<float, kMaxBlock> scale;
  alignas(64) std::array<float, kMaxBlock> offset;
};

class BlockCodec {
 public:
  static absl::StatusOr<std::unique_ptr<BlockCodec>> Create(TensorType type);

  int block_size() const { return block_size_; }
  int block_bytes() const { return block_bytes_; }

  // Chooses scales for a block that minimise the squared error weighted by `importance` (> 0), writes them to
  // `block` (block_bytes) and their values to `grid`.
  void FitScales(const float* weights, const float* importance, char* block, BlockGrid& grid) const;

  // The code of the value nearest to `weight`, and that value.
  int Nearest(const BlockGrid& grid, int j, float weight, float& value) const {
    const float scale = grid.scale[static_cast<size_t>(j)], offset = grid.offset[static_cast<size_t>(j)];
    const float level = scale != 0 ? (weight - offset) / scale : 0;
    int code = 0;
    if (codebook_ == nullptr) {
      const float steps = level - static_cast<float>(zero_) + 0.5F;
      code = static_cast<int>(steps < static_cast<float>(min_code_)   ? static_cast<float>(min_code_)
                              : steps > static_cast<float>(max_code_) ? static_cast<float>(max_code_)
                                                                      : steps);
      value = scale * static_cast<float>(code + zero_) + offset;
    } else {
      for (int k = 0; k < 15; ++k) code += level > middles_[static_cast<size_t>(k)] ? 1 : 0;
      value = scale * codebook_[code] + offset;
    }
    return code;
  }

  // Writes the codes of a block's weights beside its scales.
  void Pack(const uint8_t* codes, char* block) const;

 private:
  struct Bits {  // `count` bits of a code, from bit `from` on, at bit `shift` of byte `byte`
    uint16_t byte;
    uint8_t shift, count, from;
  };
  BlockCodec() = default;
  void AddLayout(int j, int byte, int shift, int count, int from = 0);
  void LayOut(int ggml_type);
  void FitScale(const float* weights, const float* importance, char* block, BlockGrid& grid) const;
  void FitScaleAndOffset(const float* weights, const float* importance, char* block, BlockGrid& grid) const;
  void FitByGgml(const float* weights, const float* importance, char* block, BlockGrid& grid) const;

  enum class Fit { kScale, kScaleAndOffset, kGgml };
  TensorType type_;
  Fit fit_ = Fit::kScale;
  int block_size_ = 0, block_bytes_ = 0;
  int zero_ = 0;  // level of code 0
  int min_code_ = 0, max_code_ = 0;
  uint8_t flip_ = 0;  // of a byte: two's complement for Q8_0
  const float* codebook_ = nullptr;
  std::array<float, 15> middles_ = {};
  std::vector<std::vector<Bits>> layout_;  // of each weight's code
};

}  // namespace dilemma
