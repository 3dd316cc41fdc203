#include "importer/pickle_machine.h"

#include <algorithm>
#include <cstring>

#include "base/status.h"

namespace dilemma {
namespace {

// Instructions of the pickle format, by the names that Python's pickletools gives them.
enum Code : uint8_t {
  kProto = 0x80,
  kFrame = 0x95,
  kStop = '.',
  kPop = '0',
  kMark = '(',
  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kBinFloat = 'G',
  kBinUnicode = 'X',
  kShortBinUnicode = 0x8c,
  kEmptyTuple = ')',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kTuple = 't',
  kEmptyList = ']',
  kAppend = 'a',
  kAppends = 'e',
  kEmptyDict = '}',
  kSetItem = 's',
  kSetItems = 'u',
  kGlobal = 'c',
  kStackGlobal = 0x93,
  kReduce = 'R',
  kBuild = 'b',
  kBinPersId = 'Q',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kMemoize = 0x94,
};

constexpr std::string_view kOrderedDict = "collections OrderedDict";
constexpr std::string_view kTensorCall = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kParameterCall = "torch._utils _rebuild_parameter";

bool IsStorage(std::string_view global) {
  return global.starts_with("torch ") && global.ends_with("Storage");
}

}  // namespace

absl::Status PickleMachine::Error(std::string_view message) const {
  return InvalidArgument("{}: {} (byte {} of the pickle)", source_, message, at_);
}

absl::StatusOr<const PickleValue*> PickleMachine::Run() {
  while (at_ < program_.size()) {
    const auto code = static_cast<uint8_t>(program_[at_++]);
    if (code == kStop) {
      if (stack_.size() != 1) return Error("the pickle is damaged: it ends with values left over");
      return stack_.back();
    }
    RETURN_IF_ERROR(Step(code));
  }
  return Error("the pickle is cut off; download the file again");
}

absl::Status PickleMachine::Step(uint8_t code) {
  bool known = true;
  switch (code) {
    case kProto:
      return Take(1).status();
    case kFrame:
      return Take(8).status();
    case kPop:
      return Pop().status();
    case kMark:
      Push(PickleKind::kMark);
      return absl::OkStatus();
    case kGlobal: {
      ASSIGN_OR_RETURN(std::string module, TakeLine());
      ASSIGN_OR_RETURN(std::string name, TakeLine());
      return PushGlobal(std::move(module), std::move(name));
    }
    case kStackGlobal: {
      ASSIGN_OR_RETURN(const PickleValue* name, Pop());
      ASSIGN_OR_RETURN(const PickleValue* module, Pop());
      return PushGlobal(module->text, name->text);
    }
    case kBinPersId:
      return PushStorage();
    case kReduce:
      return Call();
    case kBuild:  // attributes of the dictionary (version numbers of modules): nothing that is used
      return Pop().status();
    default:
      break;
  }
  RETURN_IF_ERROR(PushConstant(code, known));
  if (known) return absl::OkStatus();
  RETURN_IF_ERROR(Collect(code, known));
  if (known) return absl::OkStatus();
  RETURN_IF_ERROR(Memo(code, known));
  if (known) return absl::OkStatus();
  return Error(fmt::format("instruction 0x{:02x} has no place in a dictionary of tensors: refused", code));
}

absl::Status PickleMachine::PushConstant(uint8_t code, bool& known) {
  known = true;
  switch (code) {
    case kNone:
      Push(PickleKind::kNone);
      return absl::OkStatus();
    case kNewTrue:
    case kNewFalse:
      Push(PickleKind::kBool)->integer = code == kNewTrue ? 1 : 0;
      return absl::OkStatus();
    case kBinInt: {
      ASSIGN_OR_RETURN(const uint64_t value, TakeInteger(4));
      Push(PickleKind::kInteger)->integer = static_cast<int32_t>(value);
      return absl::OkStatus();
    }
    case kBinInt1:
    case kBinInt2: {
      ASSIGN_OR_RETURN(const uint64_t value, TakeInteger(code == kBinInt1 ? 1 : 2));
      Push(PickleKind::kInteger)->integer = static_cast<int64_t>(value);
      return absl::OkStatus();
    }
    case kLong1: {
      ASSIGN_OR_RETURN(const uint64_t bytes, TakeInteger(1));
      if (bytes > 8) return Error("a number of more than 64 bits");
      ASSIGN_OR_RETURN(uint64_t value, TakeInteger(bytes));
      const auto shift = static_cast<unsigned>(64 - 8 * bytes);  // two's complement of that many bytes
      Push(PickleKind::kInteger)->integer = bytes == 0 ? 0 : static_cast<int64_t>(value << shift) >> shift;
      return absl::OkStatus();
    }
    case kBinFloat:
      Push(PickleKind::kFloat);
      return Take(8).status();
    case kBinUnicode:
      return PushText(4);
    case kShortBinUnicode:
      return PushText(1);
    default:
      known = false;
      return absl::OkStatus();
  }
}

absl::Status PickleMachine::Collect(uint8_t code, bool& known) {
  known = true;
  switch (code) {
    case kEmptyTuple:
    case kEmptyList:
      return PushSequence({});
    case kEmptyDict:
      Push(PickleKind::kDict);
      return absl::OkStatus();
    case kTuple1:
    case kTuple2:
    case kTuple3: {
      std::vector<const PickleValue*> items;
      for (int i = kTuple1; i <= code; ++i) {
        ASSIGN_OR_RETURN(const PickleValue* item, Pop());
        items.insert(items.begin(), item);
      }
      return PushSequence(std::move(items));
    }
    case kTuple: {
      ASSIGN_OR_RETURN(auto items, PopToMark());
      return PushSequence(std::move(items));
    }
    case kAppend: {
      ASSIGN_OR_RETURN(const PickleValue* item, Pop());
      ASSIGN_OR_RETURN(PickleValue * list, Top(PickleKind::kSequence));
      list->items.push_back(item);
      return absl::OkStatus();
    }
    case kAppends: {
      ASSIGN_OR_RETURN(const auto items, PopToMark());
      ASSIGN_OR_RETURN(PickleValue * list, Top(PickleKind::kSequence));
      list->items.insert(list->items.end(), items.begin(), items.end());
      return absl::OkStatus();
    }
    case kSetItem: {
      ASSIGN_OR_RETURN(const PickleValue* value, Pop());
      ASSIGN_OR_RETURN(const PickleValue* key, Pop());
      return SetEntries({key, value});
    }
    case kSetItems: {
      ASSIGN_OR_RETURN(const auto items, PopToMark());
      return SetEntries(items);
    }
    default:
      known = false;
      return absl::OkStatus();
  }
}

absl::Status PickleMachine::Memo(uint8_t code, bool& known) {
  known = true;
  const size_t bytes = code == kBinPut || code == kBinGet ? 1 : 4;
  switch (code) {
    case kBinPut:
    case kLongBinPut: {
      ASSIGN_OR_RETURN(const uint64_t slot, TakeInteger(bytes));
      if (stack_.empty()) return Error("the pickle is damaged: nothing to remember");
      memo_[slot] = stack_.back();
      return absl::OkStatus();
    }
    case kMemoize:
      if (stack_.empty()) return Error("the pickle is damaged: nothing to remember");
      memo_[memo_.size()] = stack_.back();
      return absl::OkStatus();
    case kBinGet:
    case kLongBinGet: {
      ASSIGN_OR_RETURN(const uint64_t slot, TakeInteger(bytes));
      const auto found = memo_.find(slot);
      if (found == memo_.end()) return Error("the pickle is damaged: it asks for a value that is not there");
      stack_.push_back(found->second);
      return absl::OkStatus();
    }
    default:
      known = false;
      return absl::OkStatus();
  }
}

absl::StatusOr<std::string_view> PickleMachine::Take(size_t bytes) {
  if (bytes > program_.size() - at_) return Error("the pickle is cut off; download the file again");
  at_ += bytes;
  return program_.substr(at_ - bytes, bytes);
}

absl::StatusOr<uint64_t> PickleMachine::TakeInteger(size_t bytes) {
  ASSIGN_OR_RETURN(const std::string_view text, Take(bytes));
  uint64_t value = 0;
  std::memcpy(&value, text.data(), bytes);
  return value;
}

absl::StatusOr<std::string> PickleMachine::TakeLine() {
  const size_t end = program_.find('\n', at_);
  if (end == std::string_view::npos) return Error("the pickle is cut off; download the file again");
  std::string line(program_.substr(at_, end - at_));
  at_ = end + 1;
  return line;
}

PickleValue* PickleMachine::Push(PickleKind kind) {
  owned_.push_back(std::make_unique<PickleValue>());
  owned_.back()->kind = kind;
  stack_.push_back(owned_.back().get());
  return stack_.back();
}

absl::StatusOr<PickleValue*> PickleMachine::Pop() {
  if (stack_.empty()) return Error("the pickle is damaged: a value is missing");
  PickleValue* value = stack_.back();
  stack_.pop_back();
  return value;
}

absl::StatusOr<std::vector<const PickleValue*>> PickleMachine::PopToMark() {
  const auto mark = std::find_if(stack_.rbegin(), stack_.rend(),
                                 [](const PickleValue* value) { return value->kind == PickleKind::kMark; });
  if (mark == stack_.rend()) return Error("the pickle is damaged: a mark is missing");
  std::vector<const PickleValue*> items(mark.base(), stack_.end());
  stack_.erase(mark.base() - 1, stack_.end());
  return items;
}

absl::StatusOr<PickleValue*> PickleMachine::Top(PickleKind kind) {
  if (stack_.empty() || stack_.back()->kind != kind)
    return Error("the pickle is damaged: a collection is missing");
  return stack_.back();
}

absl::Status PickleMachine::PushText(size_t length_bytes) {
  ASSIGN_OR_RETURN(const uint64_t length, TakeInteger(length_bytes));
  ASSIGN_OR_RETURN(const std::string_view text, Take(length));
  Push(PickleKind::kText)->text = std::string(text);
  return absl::OkStatus();
}

absl::Status PickleMachine::PushSequence(std::vector<const PickleValue*> items) {
  Push(PickleKind::kSequence)->items = std::move(items);
  return absl::OkStatus();
}

absl::Status PickleMachine::PushGlobal(std::string module, std::string name) {
  std::string global = fmt::format("{} {}", module, name);
  if (global != kOrderedDict && global != kTensorCall && global != kParameterCall && !IsStorage(global)) {
    return Error(
        fmt::format("it names '{}.{}', which is no part of a dictionary of tensors: refused", module, name));
  }
  Push(PickleKind::kGlobal)->text = std::move(global);
  return absl::OkStatus();
}

// ("storage", class, key, device, elements) stands for a run of elements in an entry of the archive.
absl::Status PickleMachine::PushStorage() {
  ASSIGN_OR_RETURN(const PickleValue* id, Pop());
  if (id->items.size() != 5 || id->items[0]->text != "storage" || id->items[1]->kind != PickleKind::kGlobal ||
      !IsStorage(id->items[1]->text) || id->items[2]->kind != PickleKind::kText ||
      id->items[4]->kind != PickleKind::kInteger) {
    return Error("a reference that is no storage of a tensor: refused");
  }
  PickleValue* storage = Push(PickleKind::kStorage);
  storage->text = id->items[1]->text.substr(std::string_view("torch ").size());
  storage->key = id->items[2]->text;
  storage->integer = id->items[4]->integer;
  return absl::OkStatus();
}

// Storage, offset, shape and strides; what follows them (gradients, hooks) is not used.
void PickleMachine::PushTensor(const PickleValue& arguments) {
  Push(PickleKind::kTensor)->items.assign(arguments.items.begin(), arguments.items.begin() + 4);
}

absl::Status PickleMachine::Call() {
  ASSIGN_OR_RETURN(const PickleValue* arguments, Pop());
  ASSIGN_OR_RETURN(PickleValue * function, Pop());
  if (function->kind != PickleKind::kGlobal || arguments->kind != PickleKind::kSequence) {
    return Error("a call of something that is no function: refused");
  }
  if (function->text == kOrderedDict && arguments->items.empty()) {
    Push(PickleKind::kDict);
    return absl::OkStatus();
  }
  if (function->text == kParameterCall && !arguments->items.empty() &&
      arguments->items[0]->kind == PickleKind::kTensor) {
    PushTensor(*arguments->items[0]);
    return absl::OkStatus();
  }
  if (function->text == kTensorCall && arguments->items.size() >= 4 &&
      arguments->items[0]->kind == PickleKind::kStorage &&
      arguments->items[1]->kind == PickleKind::kInteger &&
      arguments->items[2]->kind == PickleKind::kSequence &&
      arguments->items[3]->kind == PickleKind::kSequence) {
    PushTensor(*arguments);
    return absl::OkStatus();
  }
  return Error("a call that is no part of a dictionary of tensors: refused");
}

absl::Status PickleMachine::SetEntries(const std::vector<const PickleValue*>& items) {
  ASSIGN_OR_RETURN(PickleValue * dict, Top(PickleKind::kDict));
  if (items.size() % 2 != 0) return Error("the pickle is damaged: a key without a value");
  for (size_t i = 0; i < items.size(); i += 2) dict->entries.emplace_back(items[i], items[i + 1]);
  return absl::OkStatus();
}

}  // namespace dilemma
