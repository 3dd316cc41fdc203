// The importer's readers: the pickle of a PyTorch archive, and the header of a safetensors file. The first
// byte says which the rest is.
#include "fuzz/fuzz.h"
#include "importer/pickle.h"
#include "importer/safetensors.h"

namespace dilemma::fuzz {
namespace {

using namespace std::string_literals;

std::string Text(const std::string& text) {
  return "X" + std::string(1, static_cast<char>(text.size())) + "\0\0\0"s + text;
}

// As torch.save writes {"a.weight": a tensor of 2 x 3}.
std::string SmallPickle() {
  const std::string storage =
      "(" + Text("storage") + "ctorch\nHalfStorage\n" + Text("0") + Text("cpu") + "K\7tQ";
  const std::string tensor = "ctorch._utils\n_rebuild_tensor_v2\n(" + storage +
                             "K\1K\2K\3\x86K\3K\1\x86\x89" + "ccollections\nOrderedDict\n)RtR"s;
  return "\x80\2"s + "}(" + Text("a.weight") + tensor + "u.";
}

std::string SmallSafetensors() {
  const std::string header =
      R"({"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"__metadata__":{"k":"v"}})";
  return std::string(1, static_cast<char>(header.size())) + "\0\0\0\0\0\0\0"s + header +
         std::string(12, '\0');
}

}  // namespace

std::vector<std::string> Seeds() { return {"0" + SmallPickle(), "1" + SmallSafetensors()}; }

}  // namespace dilemma::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dilemma;
  if (size == 0) return 0;
  const std::string_view bytes = fuzz::View(data + 1, size - 1);
  if (data[0] % 2 == 0) {
    (void)ReadStateDict(bytes, "fuzz");
    return 0;
  }
  const auto tensors = ReadSafetensorsHeader(fuzz::AsFile(bytes));
  if (!tensors.ok()) return 0;
  for (const SourceTensor& tensor : *tensors) {
    fuzz::Require(tensor.offset >= 0 && tensor.bytes >= 0 &&
                      tensor.offset + tensor.bytes <= static_cast<int64_t>(bytes.size()),
                  "tensors lie in the file");
  }
  return 0;
}
