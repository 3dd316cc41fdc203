// GGUF files as models and shards, and a probe's shape (the same format without data).
#include <unistd.h>

#include "engine/stage_memory.h"
#include "fuzz/fuzz.h"
#include "ggml.h"
#include "gguf.h"
#include "model/gguf_reader.h"
#include "quantizer/shard_writer.h"

namespace dilemma::fuzz {
namespace {

constexpr int64_t kEmbd = 32, kTokens = 4;

// A model of one layer: its header, and zeros as weights.
std::string SmallModel() {
  gguf_context* file = gguf_init_empty();
  gguf_set_val_str(file, "general.architecture", "llama");
  for (const auto& [key, value] : {std::pair("block_count", 1), std::pair("embedding_length", 32),
                                   std::pair("feed_forward_length", 32), std::pair("attention.head_count", 2),
                                   std::pair("context_length", 64), std::pair("rope.dimension_count", 16)}) {
    gguf_set_val_u32(file, (std::string("llama.") + key).c_str(), static_cast<uint32_t>(value));
  }
  gguf_set_val_f32(file, "llama.attention.layer_norm_rms_epsilon", 1e-5F);
  ggml_context* shapes = ggml_init({1 << 20, nullptr, true});
  size_t bytes = 0;
  const auto add = [&](const char* name, int64_t columns, int64_t rows) {
    ggml_tensor* tensor = rows == 1 ? ggml_new_tensor_1d(shapes, GGML_TYPE_F32, columns)
                                    : ggml_new_tensor_2d(shapes, GGML_TYPE_Q8_0, columns, rows);
    ggml_set_name(tensor, name);
    gguf_add_tensor(file, tensor);
    bytes += (ggml_nbytes(tensor) + 31) / 32 * 32;
  };
  add("token_embd.weight", kEmbd, kTokens);
  add("output_norm.weight", kEmbd, 1);
  for (const char* name : {"attn_norm", "ffn_norm"}) {
    add((std::string("blk.0.") + name + ".weight").c_str(), kEmbd, 1);
  }
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_gate", "ffn_down"}) {
    add((std::string("blk.0.") + name + ".weight").c_str(), kEmbd, kEmbd);
  }
  std::string out(gguf_get_meta_size(file), '\0');
  gguf_get_meta_data(file, out.data());
  gguf_free(file);
  ggml_free(shapes);
  return out + std::string(bytes, '\0');
}

}  // namespace

std::vector<std::string> Seeds() { return {SmallModel()}; }

}  // namespace dilemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dilemma;
  const std::string path = fuzz::AsFile(fuzz::View(data, size));
  (void)ReadModel(path);
  (void)MeasureStage(path, {.context = 64, .sequences = 2, .max_batch = 8, .threads = 1});
  ProbeShape shape;
  shape.metadata = std::string(fuzz::View(data, size));
  shape.embedding = shape.head = true;
  shape.mix = "q4_0";
  const std::string out = "/dev/shm/dilemma-gguf-fuzz." + std::to_string(getpid());
  (void)WriteProbeShard(shape, out, 1 << 20);
  unlink(out.c_str());
  return 0;
}
