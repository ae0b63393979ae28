// The tokens of a tokenizer as a tree of bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace isthmus::grammar {

// Immutable; any thread may use it. Nodes stand in the order of their strings, so those below a
// node follow it, and so do the tokens that begin with it.
class Vocabulary {
 public:
  struct Node {
    uint32_t end;          // the first node behind those below this one
    uint32_t first_token;  // in tokens(), of those that are this string or begin with it
    uint16_t depth;        // bytes
    uint8_t byte;          // the last of them
  };

  // `bytes[id]`: what a token spells; "" for tokens that spell nothing and can never follow.
  // `drops_first_space`: a space at the very beginning of a text is not shown.
  explicit Vocabulary(std::vector<std::string> bytes, bool drops_first_space = false);
  explicit Vocabulary(const text::Tokenizer& tokenizer);

  size_t size() const { return bytes_.size(); }
  std::string_view bytes(int64_t id) const;  // "" also for ids it does not have
  bool drops_first_space() const { return drops_first_space_; }

  // The first node is the empty string. One more stands behind the last.
  std::span<const Node> nodes() const { return std::span(nodes_).first(nodes_.size() - 1); }
  const Node& node(uint32_t number) const { return nodes_[number]; }
  // Ids in the order of their strings.
  std::span<const uint32_t> tokens() const { return tokens_; }
  // Those that are exactly the string of `node`.
  std::span<const uint32_t> tokens_at(uint32_t node) const {
    return tokens().subspan(nodes_[node].first_token,
                            nodes_[node + 1].first_token - nodes_[node].first_token);
  }
  // Those that are it or begin with it.
  std::span<const uint32_t> tokens_below(uint32_t node) const {
    const uint32_t first = nodes_[node].first_token;
    return tokens().subspan(first, nodes_[nodes_[node].end].first_token - first);
  }
  // The node one byte further, or 0.
  uint32_t child(uint32_t node, uint8_t byte) const;

 private:
  std::vector<std::string> bytes_;
  bool drops_first_space_;
  std::vector<Node> nodes_;
  std::vector<uint32_t> tokens_;
};

}  // namespace isthmus::grammar
