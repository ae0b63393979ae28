#include "protocol/object_text.h"

#include "base/ordered_json.h"

namespace isthmus::protocol {

void ObjectText::mark(size_t size) {
  whole_ = size;
  closing_.assign(open_.rbegin(), open_.rend());
}

size_t ObjectText::take(std::string_view more) {
  for (size_t i = 0; i < more.size(); ++i) {
    const char c = more[i];
    if (ended() || (!in_string_ && (c == '{' || c == '[') && open_.size() == kDeepest)) return i;
    ++size_;
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
        // A name is no value.
        if (behind_colon_ || open_.back() == ']') mark(size_);
      }
      continue;
    }
    switch (c) {
      case '"': in_string_ = true; break;
      case ':': behind_colon_ = true; break;
      case '{':
      case '[':
        open_ += c == '{' ? '}' : ']';
        behind_colon_ = false;
        mark(size_);
        break;
      case '}':
      case ']':
        if (!open_.empty()) open_.pop_back();
        mark(size_);
        break;
      case ',':
        mark(size_ - 1);
        behind_colon_ = false;
        break;
      default: break;
    }
  }
  return more.size();
}

std::string ObjectText::closed(std::string_view text) const {
  return std::string(text.substr(0, whole_)) + closing_;
}

OrderedJson parse_shallow(std::string_view text) {
  bool deep = false;
  auto json = OrderedJson::parse(
      text,
      [&](int depth, OrderedJson::parse_event_t, OrderedJson&) {
        deep = deep || depth > static_cast<int>(ObjectText::kDeepest);
        return !deep;
      },
      /*allow_exceptions=*/false);
  return deep ? OrderedJson() : json;
}

}  // namespace isthmus::protocol
