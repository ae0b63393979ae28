// The text of a JSON object while it grows: where it ends, and what of it is whole.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/ordered_json_fwd.h"

namespace isthmus::protocol {

// For text that is known to be valid as far as it came; nothing is checked but how deep it is.
class ObjectText {
 public:
  static constexpr size_t kDeepest = 64;  // whoever walks the object recurses as far

  // How many characters of `more` belong to the object: all, or fewer where it ends, or becomes too
  // deep.
  size_t take(std::string_view more);
  bool ended() const { return size_ > 0 && open_.empty(); }
  // `text`, all that was taken, as a whole object: without values that did not come to their end.
  std::string closed(std::string_view text) const;

 private:
  void mark(size_t size);

  size_t size_ = 0;
  std::string open_;  // the brackets that will close it, the outermost first
  bool in_string_ = false, escaped_ = false, behind_colon_ = false;
  size_t whole_ = 0;     // up to here all values are whole,
  std::string closing_;  // if these brackets follow
};

// Discarded (no object) where it is not JSON, or deeper than ObjectText::kDeepest.
OrderedJson parse_shallow(std::string_view text);

}  // namespace isthmus::protocol
