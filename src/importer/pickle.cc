#include "importer/pickle.h"

#include "base/status.h"
#include "importer/pickle_machine.h"

namespace dilemma {
namespace {

absl::StatusOr<std::vector<int64_t>> Integers(const PickleMachine& machine, const PickleValue& sequence) {
  std::vector<int64_t> values;
  for (const PickleValue* item : sequence.items) {
    if (item->kind != PickleKind::kInteger || item->integer < 0) {
      return machine.Error("a tensor's shape is not a list of numbers");
    }
    values.push_back(item->integer);
  }
  return values;
}

absl::StatusOr<PickledTensor> ToTensor(const PickleMachine& machine, const std::string& name,
                                       const PickleValue& value) {
  const PickleValue& storage = *value.items[0];
  PickledTensor tensor = {.name = name,
                          .dtype = storage.text,
                          .storage = storage.key,
                          .storage_size = storage.integer,
                          .offset = value.items[1]->integer,
                          .shape = {},
                          .strides = {}};
  ASSIGN_OR_RETURN(tensor.shape, Integers(machine, *value.items[2]));
  ASSIGN_OR_RETURN(tensor.strides, Integers(machine, *value.items[3]));
  if (tensor.shape.size() != tensor.strides.size() || tensor.offset < 0 || tensor.storage_size < 0) {
    return machine.Error(fmt::format("tensor '{}' is damaged", name));
  }
  return tensor;
}

// Training scripts put the state dict under a key of their own.
const PickleValue* Unwrap(const PickleValue* value) {
  for (const auto& [key, inner] : value->entries) {
    const bool wrapper = key->text == "state_dict" || key->text == "model" || key->text == "model_state_dict";
    if (wrapper && inner->kind == PickleKind::kDict) return inner;
  }
  return value;
}

}  // namespace

absl::StatusOr<std::vector<PickledTensor>> ReadStateDict(std::string_view pickle, std::string_view source) {
  PickleMachine machine(pickle, source);
  ASSIGN_OR_RETURN(const PickleValue* root, machine.Run());
  if (root->kind != PickleKind::kDict) return machine.Error("it holds no dictionary of tensors");
  root = Unwrap(root);
  std::vector<PickledTensor> tensors;
  for (const auto& [key, value] : root->entries) {
    if (key->kind != PickleKind::kText || value->kind != PickleKind::kTensor) {
      return machine.Error(fmt::format("entry '{}' is no tensor; save the model's state_dict()", key->text));
    }
    ASSIGN_OR_RETURN(PickledTensor tensor, ToTensor(machine, key->text, *value));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace dilemma
