#include "grammar/vocabulary.h"

#include <algorithm>
#include <utility>

namespace isthmus::grammar {

namespace {

constexpr size_t kLongestToken = 60'000;  // depths are 16 bits

std::vector<std::string> bytes_of(const text::Tokenizer& tokenizer) {
  std::vector<std::string> bytes(tokenizer.vocab_size());
  for (size_t id = 0; id < bytes.size(); ++id)
    bytes[id] = tokenizer.bytes_of(static_cast<text::TokenId>(id));
  return bytes;
}

// Tokenizers that put a space before the first word of a text take it away again.
bool drops_first_space(const text::Tokenizer& tokenizer) {
  for (size_t i = 0; i < tokenizer.vocab_size(); ++i) {
    const auto id = static_cast<text::TokenId>(i);
    const std::string bytes = tokenizer.bytes_of(id);
    if (bytes.size() > 1 && bytes[0] == ' ' && bytes[1] >= 'A' && bytes[1] <= 'z')
      return tokenizer.decode(std::span(&id, 1), true) == bytes.substr(1);
  }
  return false;
}

}  // namespace

Vocabulary::Vocabulary(const text::Tokenizer& tokenizer)
    : Vocabulary(bytes_of(tokenizer), grammar::drops_first_space(tokenizer)) {}

Vocabulary::Vocabulary(std::vector<std::string> bytes, bool drops_first_space)
    : bytes_(std::move(bytes)), drops_first_space_(drops_first_space) {
  for (size_t id = 0; id < bytes_.size(); ++id)
    if (!bytes_[id].empty() && bytes_[id].size() <= kLongestToken)
      tokens_.push_back(static_cast<uint32_t>(id));
  std::ranges::stable_sort(tokens_, {}, [&](uint32_t id) { return std::string_view(bytes_[id]); });

  nodes_.push_back({0, 0, 0, 0});
  std::vector<uint32_t> path{0};  // the nodes of the string before, the empty one first
  std::string_view before;
  const auto leave = [&](size_t depth) {
    for (; path.size() > depth + 1; path.pop_back())
      nodes_[path.back()].end = static_cast<uint32_t>(nodes_.size());
  };
  for (uint32_t place = 0; place < tokens_.size(); ++place) {
    const std::string_view token = bytes_[tokens_[place]];
    const auto [end, other_end] = std::ranges::mismatch(token, before);
    auto depth = static_cast<size_t>(end - token.begin());
    leave(depth);
    for (; depth < token.size(); ++depth) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back(
          {0, place, static_cast<uint16_t>(depth + 1), static_cast<uint8_t>(token[depth])});
    }
    before = token;
  }
  leave(0);
  const auto all = static_cast<uint32_t>(nodes_.size());
  nodes_.front().end = all;
  nodes_.push_back({all, static_cast<uint32_t>(tokens_.size()), 0, 0});
}

std::string_view Vocabulary::bytes(int64_t id) const {
  return id >= 0 && std::cmp_less(id, bytes_.size()) ? bytes_[static_cast<size_t>(id)]
                                                     : std::string_view();
}

uint32_t Vocabulary::child(uint32_t node, uint8_t byte) const {
  for (uint32_t i = node + 1; i < nodes_[node].end; i = nodes_[i].end)
    if (nodes_[i].byte == byte) return i;
  return 0;
}

}  // namespace isthmus::grammar
