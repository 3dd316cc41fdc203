#include "quantizer/block_codec.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/status.h"
#include "ggml.h"

namespace dilemma {
namespace {

// The levels of IQ4_NL and IQ4_XS.
constexpr std::array<float, 16> kIq4Levels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                              1,    13,   25,  38,  53,  69,  89,  113};

float RoundToHalf(float value) { return ggml_fp16_to_fp32(ggml_fp32_to_fp16(value)); }

// Sixteen floats at a time; the compiler maps them to the machine's registers.
using Lanes = float __attribute__((vector_size(64)));
using IntLanes = int __attribute__((vector_size(64)));

Lanes Load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return lanes;
}
Lanes All(float value) { return Lanes{} + value; }
float Sum(const Lanes& lanes) {
  using Half = float __attribute__((vector_size(32)));
  Half low, high;
  std::memcpy(&low, &lanes, sizeof(low));
  std::memcpy(&high, reinterpret_cast<const char*>(&lanes) + sizeof(low), sizeof(high));
  const Half sum = low + high;
  return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

// The levels nearest to `steps` (weights in units of the scale).
Lanes RoundToLevels(Lanes steps, float least, float most) {
  steps = steps < least ? All(least) : steps;
  steps = steps > most ? All(most) : steps;
  return __builtin_convertvector(__builtin_convertvector(steps - least + 0.5F, IntLanes), Lanes) + least;
}
Lanes RoundToIq4(Lanes steps) {
  Lanes level = All(kIq4Levels[0]);
  for (size_t k = 0; k < 15; ++k) {
    const float middle = (kIq4Levels[k] + kIq4Levels[k + 1]) / 2;
    level += steps > middle ? All(kIq4Levels[k + 1] - kIq4Levels[k]) : Lanes{};
  }
  return level;
}

// Of a block at given scale and offset: its weighted squared error, and the sums whose ratio is the best
// scale for the codes that were found.
struct Score {
  float error = 0, weight_level = 0, level_level = 0;
};

template <typename Round>
Score ScoreBlock(const float* weights, const float* importance, int size, float scale, float offset,
                 const Round& round) {
  Lanes error = {}, weight_level = {}, level_level = {};
  for (int j = 0; j < size; j += 16) {
    const Lanes w = Load(weights + j) - offset, h = Load(importance + j);
    const Lanes level = round(w / scale);
    const Lanes difference = w - scale * level;
    error += h * difference * difference;
    weight_level += h * w * level;
    level_level += h * level * level;
  }
  return {Sum(error), Sum(weight_level), Sum(level_level)};
}

void StoreHalf(float value, char* at) {
  const ggml_fp16_t half = ggml_fp32_to_fp16(value);
  std::memcpy(at, &half, sizeof(half));
}

}  // namespace

void BlockCodec::AddLayout(int j, int byte, int shift, int count, int from) {
  layout_[static_cast<size_t>(j)].push_back({static_cast<uint16_t>(byte), static_cast<uint8_t>(shift),
                                             static_cast<uint8_t>(count), static_cast<uint8_t>(from)});
}

// Where ggml's block structures keep the codes (ggml-common.h and its dequantize functions).
void BlockCodec::LayOut(int type) {
  layout_.resize(static_cast<size_t>(block_size_));
  for (int j = 0; j < block_size_; ++j) {
    const int half32 = (j % 32) / 16, in128 = j % 128, row128 = j / 128, row32 = j % 32;
    switch (type) {
      case GGML_TYPE_Q8_0:
        AddLayout(j, 2 + j, 0, 8);
        break;
      case GGML_TYPE_Q4_0:
      case GGML_TYPE_IQ4_NL:
        AddLayout(j, 2 + j % 16, 4 * half32, 4);
        break;
      case GGML_TYPE_Q4_1:
        AddLayout(j, 4 + j % 16, 4 * half32, 4);
        break;
      case GGML_TYPE_Q5_0:
      case GGML_TYPE_Q5_1: {
        const int start = type == GGML_TYPE_Q5_0 ? 2 : 4;
        AddLayout(j, start + 4 + j % 16, 4 * half32, 4);
        AddLayout(j, start + j / 8, j % 8, 1, 4);
        break;
      }
      case GGML_TYPE_Q2_0:
        AddLayout(j, 2 + j / 4, 2 * (j % 4), 2);
        break;
      case GGML_TYPE_Q2_K:
        AddLayout(j, 16 + 32 * row128 + row32, 2 * (in128 / 32), 2);
        break;
      case GGML_TYPE_Q3_K:
        AddLayout(j, 32 + 32 * row128 + row32, 2 * (in128 / 32), 2);
        AddLayout(j, row32, j / 32, 1, 2);
        break;
      case GGML_TYPE_Q4_K:
        AddLayout(j, 16 + 32 * (j / 64) + row32, 4 * ((j % 64) / 32), 4);
        break;
      case GGML_TYPE_Q5_K:
        AddLayout(j, 48 + 32 * (j / 64) + row32, 4 * ((j % 64) / 32), 4);
        AddLayout(j, 16 + row32, 2 * (j / 64) + (j % 64) / 32, 1, 4);
        break;
      case GGML_TYPE_Q6_K:
        AddLayout(j, 64 * row128 + 32 * (in128 / 32 % 2) + row32, 4 * (in128 / 64), 4);
        AddLayout(j, 128 + 32 * row128 + row32, 2 * (in128 / 32), 2, 4);
        break;
      case GGML_TYPE_IQ4_XS:
        AddLayout(j, 8 + 16 * (j / 32) + j % 16, 4 * half32, 4);
        break;
      default:
        break;
    }
  }
}

absl::StatusOr<std::unique_ptr<BlockCodec>> BlockCodec::Create(TensorType type) {
  std::unique_ptr<BlockCodec> codec(new BlockCodec);
  codec->type_ = type;
  codec->block_size_ = static_cast<int>(BlockSize(type));
  codec->block_bytes_ = static_cast<int>(BlockBytes(type));
  const auto uniform = [&](Fit fit, int zero, int max_code) {
    codec->fit_ = fit;
    codec->zero_ = zero;
    codec->max_code_ = max_code;
  };
  switch (type.ggml) {
    case GGML_TYPE_Q8_0:
      uniform(Fit::kScale, -128, 255);
      codec->min_code_ = 1;  // -128 is never used
      codec->flip_ = 0x80;
      break;
    case GGML_TYPE_Q5_0:
      uniform(Fit::kScale, -16, 31);
      break;
    case GGML_TYPE_Q4_0:
      uniform(Fit::kScale, -8, 15);
      break;
    case GGML_TYPE_Q2_0:
      uniform(Fit::kScale, -1, 3);
      break;
    case GGML_TYPE_Q5_1:
      uniform(Fit::kScaleAndOffset, 0, 31);
      break;
    case GGML_TYPE_Q4_1:
      uniform(Fit::kScaleAndOffset, 0, 15);
      break;
    case GGML_TYPE_Q2_K:
      uniform(Fit::kGgml, 0, 3);
      break;
    case GGML_TYPE_Q3_K:
      uniform(Fit::kGgml, -4, 7);
      break;
    case GGML_TYPE_Q4_K:
      uniform(Fit::kGgml, 0, 15);
      break;
    case GGML_TYPE_Q5_K:
      uniform(Fit::kGgml, 0, 31);
      break;
    case GGML_TYPE_Q6_K:
      uniform(Fit::kGgml, -32, 63);
      break;
    case GGML_TYPE_IQ4_NL:
    case GGML_TYPE_IQ4_XS:
      uniform(type.ggml == GGML_TYPE_IQ4_NL ? Fit::kScale : Fit::kGgml, 0, 15);
      codec->codebook_ = kIq4Levels.data();
      for (size_t k = 0; k < 15; ++k) codec->middles_[k] = (kIq4Levels[k] + kIq4Levels[k + 1]) / 2;
      break;
    default:
      return InvalidArgument("weights cannot be distilled to {}", Name(type));
  }
  if (codec->fit_ == Fit::kGgml) ggml_quantize_init(static_cast<ggml_type>(type.ggml));
  codec->LayOut(type.ggml);
  return codec;
}

void BlockCodec::FitScales(const float* weights, const float* importance, char* block,
                           BlockGrid& grid) const {
  switch (fit_) {
    case Fit::kScale:
      return FitScale(weights, importance, block, grid);
    case Fit::kScaleAndOffset:
      return FitScaleAndOffset(weights, importance, block, grid);
    case Fit::kGgml:
      return FitByGgml(weights, importance, block, grid);
  }
}

// Tries scales around the one that maps the largest weight to the last level, on either side of zero, each
// improved once by least squares on the codes it gives. Scales are rounded as they will be stored before they
// are scored.
void BlockCodec::FitScale(const float* weights, const float* importance, char* block, BlockGrid& grid) const {
  constexpr std::array kUsual = {0.68F, 0.72F, 0.76F, 0.80F, 0.84F,  0.88F,  0.92F,
                                 0.96F, 1.0F,  1.04F, 1.08F, -0.90F, -0.98F, -1.06F};
  constexpr std::array kTwoBits = {0.25F, 0.30F, 0.35F,  0.40F,  0.45F,  0.50F,  0.60F, 0.70F,
                                   0.85F, 1.0F,  -0.30F, -0.40F, -0.50F, -0.70F, -1.0F};
  constexpr std::array kFine = {0.99F, 1.0F};
  std::span<const float> factors = kUsual;
  float last = codebook_ != nullptr ? -127.0F : static_cast<float>(zero_);
  if (type_.ggml == GGML_TYPE_Q8_0) factors = kFine, last = -127.0F;
  if (type_.ggml == GGML_TYPE_Q2_0) factors = kTwoBits, last = 1.0F;
  float largest = 0;
  for (int j = 0; j < block_size_; ++j) {
    if (std::abs(weights[j]) > std::abs(largest)) largest = weights[j];
  }
  const auto least = static_cast<float>(zero_ + min_code_), most = static_cast<float>(zero_ + max_code_);
  float best_error = INFINITY, best = 0;
  for (const float factor : factors) {
    float scale = RoundToHalf(largest / last * factor);
    for (int pass = 0; pass < 2 && scale != 0; ++pass) {
      const Score score =
          codebook_ != nullptr
              ? ScoreBlock(weights, importance, block_size_, scale, 0, RoundToIq4)
              : ScoreBlock(weights, importance, block_size_, scale, 0,
                           [&](const Lanes& steps) { return RoundToLevels(steps, least, most); });
      if (score.error < best_error) best_error = score.error, best = scale;
      scale = score.level_level > 0 ? RoundToHalf(score.weight_level / score.level_level) : 0;
    }
  }
  std::fill_n(grid.scale.begin(), block_size_, best);
  std::fill_n(grid.offset.begin(), block_size_, 0.0F);
  StoreHalf(best, block);
}

// As FitScale, over ranges that are drawn in from either end.
void BlockCodec::FitScaleAndOffset(const float* weights, const float* importance, char* block,
                                   BlockGrid& grid) const {
  const auto [low, high] = std::minmax_element(weights, weights + block_size_);
  const float least = std::min(*low, 0.0F), most = *high;
  float best_error = INFINITY, best_scale = 0, best_offset = RoundToHalf(least);
  for (int i = 0; i < 25; ++i) {
    const float a = 1 - 0.05F * static_cast<float>(i / 5), b = 1 - 0.05F * static_cast<float>(i % 5);
    const float offset = RoundToHalf(least * a);
    float scale = RoundToHalf((most * b - least * a) / static_cast<float>(max_code_));
    for (int pass = 0; pass < 2 && scale > 0; ++pass) {
      const Score score = ScoreBlock(
          weights, importance, block_size_, scale, offset,
          [&](const Lanes& steps) { return RoundToLevels(steps, 0, static_cast<float>(max_code_)); });
      if (score.error < best_error) best_error = score.error, best_scale = scale, best_offset = offset;
      scale = score.level_level > 0 ? RoundToHalf(score.weight_level / score.level_level) : 0;
    }
  }
  std::fill_n(grid.scale.begin(), block_size_, best_scale);
  std::fill_n(grid.offset.begin(), block_size_, best_offset);
  StoreHalf(best_scale, block);
  StoreHalf(best_offset, block + 2);
}

// Types with scales inside scales: ggml's own search, and the grid read off by decoding two codes.
void BlockCodec::FitByGgml(const float* weights, const float* importance, char* block,
                           BlockGrid& grid) const {
  const auto type = static_cast<ggml_type>(type_.ggml);
  ggml_quantize_chunk(type, weights, block, 0, 1, block_size_, importance);
  const ggml_to_float_t to_float = ggml_get_type_traits(type)->to_float;
  std::array<uint8_t, kMaxBlock> codes;
  std::array<float, kMaxBlock> low, high;
  const uint8_t first = codebook_ != nullptr ? 8 : 0;  // level 1 of the codebook
  codes.fill(first);
  Pack(codes.data(), block);
  to_float(block, low.data(), block_size_);
  if (codebook_ != nullptr) {
    grid.scale = low;
    grid.offset.fill(0);
    return;
  }
  codes.fill(static_cast<uint8_t>(max_code_));
  Pack(codes.data(), block);
  to_float(block, high.data(), block_size_);
  for (size_t j = 0; j < static_cast<size_t>(block_size_); ++j) {
    grid.scale[j] = (high[j] - low[j]) / static_cast<float>(max_code_);
    grid.offset[j] = low[j] - grid.scale[j] * static_cast<float>(zero_);
  }
}

void BlockCodec::Pack(const uint8_t* codes, char* block) const {
  for (int j = 0; j < block_size_; ++j) {
    const auto code = static_cast<uint8_t>(codes[j] ^ flip_);
    for (const Bits& bits : layout_[static_cast<size_t>(j)]) {
      const auto mask = static_cast<uint8_t>(((1U << bits.count) - 1U) << bits.shift);
      const auto value = static_cast<uint8_t>((code >> bits.from) << bits.shift);
      auto& byte = reinterpret_cast<uint8_t&>(block[bits.byte]);
      byte = static_cast<uint8_t>((byte & ~mask) | (value & mask));
    }
  }
}

}  // namespace dilemma
