// Tokens beside the model's own vocabulary, and finding them in text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/marked_text.h"

namespace isthmus::text {

using TokenId = int64_t;

struct AddedToken {
  std::string content;
  TokenId id = -1;
  bool lstrip = false, rstrip = false;  // swallow the white space on that side
  bool single_word = false;
  bool normalized = false;  // looked for in the normalised text
  bool special = false;

  // Whether text needs trust to become this token. Only runs of white space, which are vocabulary
  // in all but name (GPT-NeoX), are free for everyone; an unmarked <im_start> or <tool_call> is
  // not.
  bool reserved() const;
};

// Finds added tokens: leftmost first, the longest at each place. Immutable after building.
class AddedTokenMatcher {
 public:
  struct Part {
    size_t begin, end;
    TokenId id;  // -1: text between tokens
  };

  void add(const AddedToken& token, std::string_view spelling);
  bool empty() const { return tokens_.empty(); }
  // Covers the text except the white space that tokens swallow; no part of text is empty.
  std::vector<Part> split(const MarkedText& text) const;

 private:
  struct Node {
    std::vector<std::pair<unsigned char, uint32_t>> children;  // sorted by byte
    int32_t token = -1;
  };
  const uint32_t* child(const Node& node, unsigned char byte) const;

  std::vector<Node> trie_ = std::vector<Node>(1);
  std::vector<AddedToken> tokens_;
};

}  // namespace isthmus::text
