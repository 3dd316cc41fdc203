// The stack machine behind pickle.h. Inside the importer only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dilemma {

enum class PickleKind {
  kNone,
  kBool,
  kInteger,
  kFloat,
  kText,
  kSequence,
  kDict,
  kGlobal,
  kStorage,
  kTensor,
  kMark
};

// A value on the stack. Values refer to one another by plain pointers; the machine owns them all.
struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  int64_t integer = 0;                    // also of a bool
  std::string text;                       // also "module name" of a global, dtype of a storage
  std::string key;                        // of a storage
  std::vector<const PickleValue*> items;  // of a sequence or a tensor's arguments
  std::vector<std::pair<const PickleValue*, const PickleValue*>> entries;  // of a dict, in order
};

class PickleMachine {
 public:
  PickleMachine(std::string_view program, std::string_view source) : program_(program), source_(source) {}

  // Runs to the end; the result is owned by this object.
  absl::StatusOr<const PickleValue*> Run();
  absl::Status Error(std::string_view message) const;

 private:
  absl::Status Step(uint8_t code);
  absl::Status PushConstant(uint8_t code, bool& known);
  absl::Status Collect(uint8_t code, bool& known);
  absl::Status Memo(uint8_t code, bool& known);

  absl::StatusOr<std::string_view> Take(size_t bytes);
  absl::StatusOr<uint64_t> TakeInteger(size_t bytes);
  absl::StatusOr<std::string> TakeLine();
  absl::StatusOr<PickleValue*> Pop();
  absl::StatusOr<std::vector<const PickleValue*>> PopToMark();
  absl::StatusOr<PickleValue*> Top(PickleKind kind);
  PickleValue* Push(PickleKind kind);

  absl::Status PushText(size_t length_bytes);
  absl::Status PushSequence(std::vector<const PickleValue*> items);
  absl::Status PushGlobal(std::string module, std::string name);
  absl::Status PushStorage();
  void PushTensor(const PickleValue& arguments);
  absl::Status Call();
  absl::Status SetEntries(const std::vector<const PickleValue*>& items);

  std::string_view program_, source_;
  size_t at_ = 0;
  std::vector<std::unique_ptr<PickleValue>> owned_;
  std::vector<PickleValue*> stack_;
  std::map<uint64_t, PickleValue*> memo_;
};

}  // namespace dilemma
