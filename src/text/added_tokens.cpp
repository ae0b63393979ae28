#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"
#include "text/utf8.h"

namespace isthmus::text {

namespace {

bool is_word_char(const Utf8Char& c) { return c.valid && is_word_character(c.code_point); }

// Beginning of the last character of text[0, end).
size_t last_char(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && end - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80)
    --begin;
  return begin;
}

bool inside_word(std::string_view text, size_t begin, size_t end) {
  return (begin > 0 && is_word_char(decode_utf8(text, last_char(text, begin)))) ||
         (end < text.size() && is_word_char(decode_utf8(text, end)));
}

}  // namespace

bool AddedToken::reserved() const {
  if (special) return true;
  for (size_t i = 0; i < content.size();) {
    const Utf8Char c = decode_utf8(content, i);
    if (!is_white_space(c.code_point)) return true;
    i += c.length;
  }
  return false;
}

const uint32_t* AddedTokenMatcher::child(const Node& node, unsigned char byte) const {
  const auto found =
      std::lower_bound(node.children.begin(), node.children.end(), byte,
                       [](const auto& entry, unsigned char b) { return entry.first < b; });
  return found != node.children.end() && found->first == byte ? &found->second : nullptr;
}

void AddedTokenMatcher::add(const AddedToken& token, std::string_view spelling) {
  if (spelling.empty()) return;
  uint32_t node = 0;
  for (const char c : spelling) {
    const auto byte = static_cast<unsigned char>(c);
    if (const uint32_t* next = child(trie_[node], byte)) {
      node = *next;
      continue;
    }
    const auto created = static_cast<uint32_t>(trie_.size());
    auto& children = trie_[node].children;
    children.insert(
        std::lower_bound(children.begin(), children.end(), std::pair(byte, uint32_t{0})),
        {byte, created});
    trie_.emplace_back();
    node = created;
  }
  trie_[node].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
}

std::vector<AddedTokenMatcher::Part> AddedTokenMatcher::split(const MarkedText& marked) const {
  const std::string_view text = marked.text;
  std::vector<Part> parts;
  size_t done = 0;
  for (size_t i = 0; i < text.size();) {
    const AddedToken* match = nullptr;
    size_t match_end = i;
    uint32_t node = 0;
    for (size_t end = i; end < text.size();) {
      const uint32_t* next = child(trie_[node], static_cast<unsigned char>(text[end]));
      if (next == nullptr) break;
      node = *next;
      ++end;
      if (trie_[node].token < 0) continue;
      const AddedToken& token = tokens_[static_cast<size_t>(trie_[node].token)];
      if (token.reserved() && !marked.all_trusted(i, end)) continue;
      match = &token;
      match_end = end;
    }
    if (match == nullptr) {
      ++i;
      continue;
    }
    size_t begin = i, end = match_end;
    i = match_end;
    if (match->single_word && inside_word(text, begin, end)) continue;
    while (match->lstrip && begin > done) {
      const size_t previous = last_char(text, begin);
      if (!is_white_space(decode_utf8(text, previous).code_point)) break;
      begin = previous;
    }
    while (match->rstrip && end < text.size()) {
      const Utf8Char c = decode_utf8(text, end);
      if (!is_white_space(c.code_point)) break;
      end += c.length;
    }
    if (begin > done) parts.push_back({done, begin, -1});
    parts.push_back({begin, end, match->id});
    done = end;  // Quirk: a token inside the white space that rstrip swallowed still counts
  }
  if (done < text.size()) parts.push_back({done, text.size(), -1});
  return parts;
}

}  // namespace isthmus::text
