#include "formats/safe_unpickler.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>

#include "formats/bytes.h"
#include "formats/pickle_globals.h"
#include "formats/raw_tensor.h"
#include "isthmus/error.h"

namespace isthmus::formats::pickle {
namespace {

// Opcodes of CPython's Lib/pickle.py, protocols 0 to 5.
// clang-format off
enum Opcode : uint8_t {
  kMark = '(', kStop = '.', kPop = '0', kPopMark = '1', kDup = '2', kFloat = 'F', kInt = 'I',
  kBinInt = 'J', kBinInt1 = 'K', kLong = 'L', kBinInt2 = 'M', kNone = 'N', kPersId = 'P',
  kBinPersId = 'Q', kReduce = 'R', kString = 'S', kBinString = 'T', kShortBinString = 'U',
  kUnicode = 'V', kBinUnicode = 'X', kAppend = 'a', kBuild = 'b', kGlobal = 'c', kDict = 'd',
  kEmptyDict = '}', kAppends = 'e', kGet = 'g', kBinGet = 'h', kInst = 'i', kLongBinGet = 'j',
  kList = 'l', kEmptyList = ']', kObj = 'o', kPut = 'p', kBinPut = 'q', kLongBinPut = 'r',
  kSetItem = 's', kTuple = 't', kEmptyTuple = ')', kSetItems = 'u', kBinFloat = 'G',
  kBinBytes = 'B', kShortBinBytes = 'C', kProto = 0x80, kNewObj = 0x81, kTuple1 = 0x85,
  kTuple2 = 0x86, kTuple3 = 0x87, kNewTrue = 0x88, kNewFalse = 0x89, kLong1 = 0x8a, kLong4 = 0x8b,
  kShortBinUnicode = 0x8c, kBinUnicode8 = 0x8d, kBinBytes8 = 0x8e, kEmptySet = 0x8f,
  kAddItems = 0x90, kFrozenSet = 0x91, kNewObjEx = 0x92, kStackGlobal = 0x93, kMemoize = 0x94,
  kFrame = 0x95, kByteArray8 = 0x96
};
// clang-format on
constexpr uint8_t kHighestProtocol = 5;

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& source, const Limits& limits)
      : bytes_(bytes), source_(source), limits_(limits) {
    none_ = add(None{});
  }
  Document run();

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw ModelError(fmt::format("{}: broken pickle at byte {}: {}", source_, at_, what));
  }
  [[noreturn]] void refuse(const char* deed, const Global& global) const {
    throw ModelError(
        fmt::format("{}: refuses to load: pickle {} {}.{}; only tensor checkpoints are read",
                    source_, deed, printable(global.module), printable(global.name)));
  }

  // Reading.
  std::span<const std::byte> take(uint64_t count);
  template <typename T>
  T take_number() {
    return read_le<T>(take(sizeof(T)), 0);
  }
  std::string take_text(uint64_t count) { return std::string(text_of(take(count))); }
  std::string take_line();
  template <typename T>
  T parse(std::string_view text) const;

  // Table and stack.
  Ref add(Value value);
  void push(Value value) { stack_.push_back(add(std::move(value))); }
  Ref pop();
  Ref top() const;
  std::vector<Ref> pop_to_mark();
  void charge(size_t copied);
  template <typename T>
  const T* get(Ref ref) const {
    return document_.get<T>(ref);
  }

  // Opcodes, by kind. Each returns false for an opcode of another kind.
  bool step_scalar(uint8_t opcode);
  bool step_text(uint8_t opcode);
  bool step_container(uint8_t opcode);
  bool step_stack(uint8_t opcode);
  bool step_object(uint8_t opcode);
  void push_integer(std::string digits);
  void push_decimal(std::string_view line);
  void memo_put(uint32_t slot);
  void memo_get(uint32_t slot);
  void append(Ref list, std::span<const Ref> items);
  void set_items(Ref dict, std::span<const Ref> items);
  void push_global(std::string module, std::string name);

  // Meaning.
  Ref call(Ref callable, Ref arguments);
  Ref make_dict(const Tuple& arguments);
  Ref instantiate(Ref type, Ref arguments);
  Ref make_storage(Ref id);
  Ref make_tensor(std::span<const Ref> arguments, std::optional<size_t> dtype_position);
  void build();
  int64_t integer(Ref ref, const char* what) const;
  const std::string& text(Ref ref, const char* what) const;
  const Global& global(Ref ref, const char* what) const;
  Shape shape(Ref ref, const char* what) const;

  std::span<const std::byte> bytes_;
  const std::string& source_;
  const Limits& limits_;
  size_t at_ = 0;
  size_t charged_ = 0;
  Document document_;
  Ref none_ = 0;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, Ref> memo_;
};

std::span<const std::byte> Machine::take(uint64_t count) {
  if (count > bytes_.size() - at_)
    fail(fmt::format("{} bytes expected, {} are left", count, bytes_.size() - at_));
  const auto taken = bytes_.subspan(at_, count);
  at_ += count;
  return taken;
}

std::string Machine::take_line() {
  const std::string_view rest = text_of(bytes_.subspan(at_));
  const size_t end = rest.find('\n');
  if (end == std::string_view::npos) fail("a line without end");
  at_ += end + 1;
  return std::string(rest.substr(0, end));
}

template <typename T>
T Machine::parse(std::string_view text) const {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    fail(fmt::format("not a number: {}", printable(text)));
  return value;
}

Ref Machine::add(Value value) {
  charge(1);
  document_.values.push_back(std::move(value));
  return static_cast<Ref>(document_.values.size() - 1);
}

// Copies made on the file's behalf count like values, or a short file could ask for endless ones.
void Machine::charge(size_t copied) {
  charged_ += copied;
  if (charged_ > limits_.values)
    throw ModelError(fmt::format("{}: pickle holds more than {} values; no tensor checkpoint does",
                                 source_, limits_.values));
}

Ref Machine::top() const {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("the stack is empty");
  return stack_.back();
}

Ref Machine::pop() {
  const Ref ref = top();
  stack_.pop_back();
  return ref;
}

std::vector<Ref> Machine::pop_to_mark() {
  if (marks_.empty()) fail("no mark on the stack");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<Ref> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

void Machine::memo_put(uint32_t slot) {
  charge(1);
  memo_[slot] = top();
}

void Machine::memo_get(uint32_t slot) {
  const auto found = memo_.find(slot);
  if (found == memo_.end()) fail(fmt::format("memo slot {} is empty", slot));
  stack_.push_back(found->second);
}

int64_t Machine::integer(Ref ref, const char* what) const {
  const auto* value = get<int64_t>(ref);
  if (value == nullptr) fail(fmt::format("{} is not an integer", what));
  return *value;
}

const std::string& Machine::text(Ref ref, const char* what) const {
  const auto* value = get<Text>(ref);
  if (value == nullptr) fail(fmt::format("{} is not a string", what));
  return value->value;
}

const Global& Machine::global(Ref ref, const char* what) const {
  const auto* value = get<Global>(ref);
  if (value == nullptr) fail(fmt::format("{} is not a name", what));
  return *value;
}

Shape Machine::shape(Ref ref, const char* what) const {
  const std::vector<Ref>* items = nullptr;
  if (const auto* tuple = get<Tuple>(ref)) items = &tuple->items;
  if (const auto* list = get<List>(ref)) items = &list->items;
  if (items == nullptr || items->size() > 64)
    fail(fmt::format("{} is not a tuple of integers", what));
  Shape numbers;
  for (const Ref item : *items) numbers.push_back(integer(item, what));
  return numbers;
}

void Machine::push_integer(std::string digits) {
  if (digits.size() > 8) return push(BigInteger{std::move(digits)});
  uint64_t value = !digits.empty() && (digits.back() & 0x80) ? ~uint64_t{0} : 0;
  for (size_t i = digits.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(digits[i]);
  push(static_cast<int64_t>(value));
}

void Machine::push_decimal(std::string_view line) {
  if (line.ends_with('L')) line.remove_suffix(1);
  if (line.size() > 18) return push(BigInteger{std::string(line)});
  push(parse<int64_t>(line));
}

bool Machine::step_scalar(uint8_t opcode) {
  switch (opcode) {
    case kNone: stack_.push_back(none_); return true;
    case kNewTrue: push(true); return true;
    case kNewFalse: push(false); return true;
    case kBinInt: push(int64_t{take_number<int32_t>()}); return true;
    case kBinInt1: push(int64_t{take_number<uint8_t>()}); return true;
    case kBinInt2: push(int64_t{take_number<uint16_t>()}); return true;
    case kLong1: push_integer(take_text(take_number<uint8_t>())); return true;
    case kLong4: {
      const auto length = take_number<int32_t>();
      if (length < 0) fail("an integer of negative length");
      push_integer(take_text(static_cast<uint64_t>(length)));
      return true;
    }
    case kInt: {
      const std::string line = take_line();
      if (line == "00" || line == "01")
        push(line == "01");
      else
        push_decimal(line);
      return true;
    }
    case kLong: push_decimal(take_line()); return true;
    case kFloat: push(parse<double>(take_line())); return true;
    case kBinFloat:
      push(std::bit_cast<double>(__builtin_bswap64(take_number<uint64_t>())));
      return true;
    default: return false;
  }
}

bool Machine::step_text(uint8_t opcode) {
  switch (opcode) {
    case kShortBinUnicode:
    case kShortBinString: push(Text{take_text(take_number<uint8_t>())}); return true;
    case kBinUnicode:
    case kBinString: push(Text{take_text(take_number<uint32_t>())}); return true;
    case kBinUnicode8: push(Text{take_text(take_number<uint64_t>())}); return true;
    case kShortBinBytes: push(Bytes{take_text(take_number<uint8_t>())}); return true;
    case kBinBytes: push(Bytes{take_text(take_number<uint32_t>())}); return true;
    case kBinBytes8:
    case kByteArray8: push(Bytes{take_text(take_number<uint64_t>())}); return true;
    // Protocol 0. Escapes are left as they stand: no published tensor name has any.
    case kUnicode: push(Text{take_line()}); return true;
    case kString: {
      const std::string line = take_line();
      if (line.size() < 2 || line.front() != line.back() ||
          (line.front() != '\'' && line.front() != '"'))
        fail("a string without quotes");
      push(Text{line.substr(1, line.size() - 2)});
      return true;
    }
    default: return false;
  }
}

void Machine::append(Ref list, std::span<const Ref> items) {
  if (get<Object>(list) != nullptr) return;  // a list subclass: inert
  auto* target = std::get_if<List>(&document_.values[list]);
  if (target == nullptr) fail("APPEND to something that is not a list");
  target->items.insert(target->items.end(), items.begin(), items.end());
}

void Machine::set_items(Ref dict, std::span<const Ref> items) {
  if (items.size() % 2 != 0) fail("a key without a value");
  if (get<Object>(dict) != nullptr) return;  // a dict subclass: inert
  auto* target = std::get_if<Dict>(&document_.values[dict]);
  if (target == nullptr) fail("SETITEM on something that is not a dict");
  for (size_t i = 0; i < items.size(); i += 2) target->items.emplace_back(items[i], items[i + 1]);
}

bool Machine::step_container(uint8_t opcode) {
  switch (opcode) {
    case kEmptyTuple: push(Tuple{}); return true;
    case kTuple: push(Tuple{pop_to_mark()}); return true;
    case kTuple1:
    case kTuple2:
    case kTuple3: {
      std::vector<Ref> items(opcode - kTuple1 + 1u);
      for (size_t i = items.size(); i-- > 0;) items[i] = pop();
      push(Tuple{std::move(items)});
      return true;
    }
    case kEmptyList: push(List{}); return true;
    case kList: push(List{pop_to_mark()}); return true;
    case kAppend: {
      const Ref item = pop();
      append(top(), {&item, 1});
      return true;
    }
    case kAppends: {
      const auto items = pop_to_mark();
      append(top(), items);
      return true;
    }
    case kEmptyDict: push(Dict{}); return true;
    case kDict: {
      const auto items = pop_to_mark();
      push(Dict{});
      set_items(top(), items);
      return true;
    }
    case kSetItem: {
      Ref items[2];
      items[1] = pop();
      items[0] = pop();
      set_items(top(), items);
      return true;
    }
    case kSetItems: {
      const auto items = pop_to_mark();
      set_items(top(), items);
      return true;
    }
    case kEmptySet: push(Set{}); return true;
    case kFrozenSet:
      pop_to_mark();
      push(Set{});
      return true;
    case kAddItems:
      pop_to_mark();
      if (get<Set>(top()) == nullptr && get<Object>(top()) == nullptr)
        fail("ADDITEMS to something that is not a set");
      return true;
    default: return false;
  }
}

bool Machine::step_stack(uint8_t opcode) {
  switch (opcode) {
    case kProto: {
      const auto protocol = take_number<uint8_t>();
      if (protocol > kHighestProtocol) fail(fmt::format("protocol {} is unknown", protocol));
      return true;
    }
    case kFrame:
      if (take_number<uint64_t>() > bytes_.size() - at_) fail("a frame reaches past the end");
      return true;
    case kMark: marks_.push_back(stack_.size()); return true;
    case kPop:
      // CPython: POP right after MARK takes the mark.
      if (!marks_.empty() && marks_.back() == stack_.size())
        marks_.pop_back();
      else
        pop();
      return true;
    case kPopMark: pop_to_mark(); return true;
    case kDup: stack_.push_back(top()); return true;
    case kGet: memo_get(parse<uint32_t>(take_line())); return true;
    case kBinGet: memo_get(take_number<uint8_t>()); return true;
    case kLongBinGet: memo_get(take_number<uint32_t>()); return true;
    case kPut: memo_put(parse<uint32_t>(take_line())); return true;
    case kBinPut: memo_put(take_number<uint8_t>()); return true;
    case kLongBinPut: memo_put(take_number<uint32_t>()); return true;
    case kMemoize: memo_put(static_cast<uint32_t>(memo_.size())); return true;
    default: return false;
  }
}

void Machine::push_global(std::string module, std::string name) {
  if (module.size() > limits_.global_length || name.size() > limits_.global_length)
    fail(fmt::format("a name of more than {} bytes", limits_.global_length));
  push(std::make_unique<Global>(Global{std::move(module), std::move(name)}));
}

bool Machine::step_object(uint8_t opcode) {
  switch (opcode) {
    case kGlobal: {
      std::string module = take_line();
      push_global(std::move(module), take_line());
      return true;
    }
    case kStackGlobal: {
      const Ref name = pop();
      const Ref module = pop();
      if (text(name, "a name").size() > limits_.global_length ||
          text(module, "a module").size() > limits_.global_length)
        fail(fmt::format("a name of more than {} bytes", limits_.global_length));
      push_global(text(module, "a module"), text(name, "a name"));
      return true;
    }
    case kBinPersId: stack_.push_back(make_storage(pop())); return true;
    case kReduce: {
      const Ref arguments = pop();
      stack_.push_back(call(pop(), arguments));
      return true;
    }
    case kInst: {
      std::string module = take_line();
      push_global(std::move(module), take_line());
      const Ref type = pop();
      const Ref arguments = add(Tuple{pop_to_mark()});
      stack_.push_back(call(type, arguments));
      return true;
    }
    case kObj: {
      auto items = pop_to_mark();
      if (items.empty()) fail("OBJ without a class");
      const Ref type = items.front();
      items.erase(items.begin());
      const Ref arguments = add(Tuple{std::move(items)});
      stack_.push_back(call(type, arguments));
      return true;
    }
    case kNewObj: {
      const Ref arguments = pop();
      stack_.push_back(instantiate(pop(), arguments));
      return true;
    }
    case kNewObjEx: {
      pop();  // keyword arguments
      const Ref arguments = pop();
      stack_.push_back(instantiate(pop(), arguments));
      return true;
    }
    case kBuild: build(); return true;
    default: return false;
  }
}

void Machine::build() {
  const Ref state = pop();
  Value& target = document_.values[top()];
  if (auto* object = std::get_if<Object>(&target)) {
    object->state = state;
    return;
  }
  // A state_dict() is an OrderedDict whose attribute _metadata is set this way; containers and
  // tensors need nothing of it.
  if (std::holds_alternative<Dict>(target) || std::holds_alternative<List>(target) ||
      std::holds_alternative<Set>(target) ||
      std::holds_alternative<std::unique_ptr<Tensor>>(target))
    return;
  fail("BUILD on something that has no attributes");
}

// ('storage', storage class, key, location, number of elements[, view]), torch/serialization.py.
// Files of the legacy layout may hold ('module', class, source, …) instead: a class with its source
// text, of no use here.
Ref Machine::make_storage(Ref id) {
  const auto* tuple = get<Tuple>(id);
  if (tuple == nullptr || tuple->items.empty()) fail("a persistent id that is not a tuple");
  const auto& items = tuple->items;
  const std::string& kind = text(items[0], "a persistent id");
  if (kind == "module" && items.size() >= 2) {
    global(items[1], "a module's class");
    return items[1];
  }
  if (kind != "storage" || items.size() < 5)
    fail(fmt::format("unknown persistent id {}", printable(kind)));
  const Global& type = global(items[1], "a storage's class");
  const auto dtype = storage_dtype(type.module, type.name);
  if (!dtype) refuse("has storages of class", type);
  const std::string& key = text(items[2], "a storage's key");
  if (key.size() > limits_.storage_key_length) fail("a storage's key is too long");
  Storage storage{key, std::string(*dtype), integer(items[4], "a storage's size"), 0, 0};
  storage.total = storage.numel;
  if (items.size() > 5 && get<None>(items[5]) == nullptr) {
    const auto* view = get<Tuple>(items[5]);
    if (view == nullptr || view->items.size() != 3)
      fail("a storage view that is not a tuple of three");
    storage.offset = integer(view->items[1], "a storage view's offset");
    storage.numel = integer(view->items[2], "a storage view's size");
  }
  if (storage.total < 0 || storage.offset < 0 || storage.numel < 0 ||
      storage.offset > storage.total || storage.numel > storage.total - storage.offset)
    fail(fmt::format("storage {} of {} elements, view [{}, +{}]", printable(key), storage.total,
                     storage.offset, storage.numel));
  return add(std::make_unique<Storage>(std::move(storage)));
}

Ref Machine::make_tensor(std::span<const Ref> arguments, std::optional<size_t> dtype_position) {
  const size_t needed = dtype_position ? *dtype_position + 1 : 4;
  if (arguments.size() < needed) fail("a tensor with too few arguments");
  const auto* storage = get<Storage>(arguments[0]);
  if (storage == nullptr) fail("a tensor without a storage");
  Tensor tensor{arguments[0], storage->dtype, integer(arguments[1], "a tensor's offset"),
                shape(arguments[2], "a shape"), shape(arguments[3], "strides")};
  int64_t numel = storage->numel;
  if (dtype_position) {
    const Global& name = global(arguments[*dtype_position], "a dtype");
    const auto dtype = torch_dtype(name.module, name.name);
    if (!dtype)
      fail(fmt::format("unknown dtype {}.{}", printable(name.module), printable(name.name)));
    tensor.dtype = *dtype;
    if (storage->dtype != "untyped") fail("a tensor with its own dtype in a typed storage");
    numel /= static_cast<int64_t>(torch_dtype_size(*dtype));
  }
  if (tensor.offset < 0 || tensor.offset > numel ||
      !extent_within(tensor.shape, tensor.strides, numel - tensor.offset))
    fail(
        fmt::format("a tensor of shape {}, strides {}, offset {} leaves its storage of {} elements",
                    to_string(tensor.shape), to_string(tensor.strides), tensor.offset, numel));
  return add(std::make_unique<Tensor>(std::move(tensor)));
}

Ref Machine::instantiate(Ref type, Ref arguments) {
  const Global& name = global(type, "a class");
  if (get<Tuple>(arguments) == nullptr) fail("arguments that are not a tuple");
  const auto known = callable_of(name.module, name.name);
  if (known == Callable::kDict) return add(Dict{});
  if (known == Callable::kSet) return add(Set{});
  if (!may_be_instantiated(name.module, name.name)) refuse("makes an instance of", name);
  return add(Object{type, arguments, none_});
}

// dict() and OrderedDict(pairs), as Python 2 wrote it.
Ref Machine::make_dict(const Tuple& arguments) {
  Dict dict;
  const List* pairs = arguments.items.empty() ? nullptr : get<List>(arguments.items[0]);
  if (pairs != nullptr) {
    charge(pairs->items.size());
    for (const Ref item : pairs->items) {
      const std::vector<Ref>* pair = nullptr;
      if (const auto* tuple = get<Tuple>(item)) pair = &tuple->items;
      if (const auto* list = get<List>(item)) pair = &list->items;
      if (pair == nullptr || pair->size() != 2) fail("a dict made of something that is not pairs");
      dict.items.emplace_back((*pair)[0], (*pair)[1]);
    }
  }
  return add(std::move(dict));
}

Ref Machine::call(Ref callable, Ref arguments) {
  const Global& name = global(callable, "what is called");
  const auto known = callable_of(name.module, name.name);
  if (!known) refuse("calls", name);
  const auto* tuple = get<Tuple>(arguments);
  if (tuple == nullptr) fail("arguments that are not a tuple");
  const std::span<const Ref> items = tuple->items;
  switch (*known) {
    case Callable::kDict: return make_dict(*tuple);
    case Callable::kSet: return add(Set{});
    case Callable::kTensor: return make_tensor(items, std::nullopt);
    case Callable::kTensorV3: return make_tensor(items, 6);
    case Callable::kInert: return add(Object{callable, arguments, none_});
    case Callable::kSize:
      if (items.size() != 1 || get<Tuple>(items[0]) == nullptr)
        fail("torch.Size of something that is not a tuple");
      return items[0];
    case Callable::kParameter:
      if (items.empty() || get<Tensor>(items[0]) == nullptr) fail("a parameter without a tensor");
      return items[0];
    case Callable::kTyped:
      if (items.empty()) fail("a typed value without the value");
      return items[0];
    case Callable::kReconstructor:
      if (items.empty()) fail("copyreg without a class");
      return instantiate(items[0], arguments);
    case Callable::kFromType: {
      if (items.size() < 3) fail("_rebuild_from_type_v2 with too few arguments");
      const Global& function = global(items[0], "what is called");
      const auto meaning = callable_of(function.module, function.name);
      // Not itself: the nesting would be the file's to choose.
      if (!meaning || *meaning == Callable::kFromType) refuse("calls", function);
      return call(items[0], items[2]);
    }
  }
  refuse("calls", name);
}

Document Machine::run() {
  while (true) {
    const auto opcode = take_number<uint8_t>();
    if (opcode == kStop) break;
    if (step_scalar(opcode) || step_text(opcode) || step_container(opcode) || step_stack(opcode) ||
        step_object(opcode))
      continue;
    --at_;
    fail(fmt::format("opcode 0x{:02x} is not one that tensor checkpoints use", opcode));
  }
  document_.root = pop();
  document_.consumed = at_;
  return std::move(document_);
}

}  // namespace

Document unpickle(std::span<const std::byte> bytes, const std::string& source,
                  const Limits& limits) {
  return Machine(bytes, source, limits).run();
}

}  // namespace isthmus::formats::pickle
