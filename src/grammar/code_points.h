// Sets of Unicode characters, and the bytes that spell them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace isthmus::grammar {

struct CodeRange {
  char32_t first, last;
};

// A set of characters. Surrogates are not characters and are never in it.
class CodePoints {
 public:
  CodePoints() = default;
  // In any order, overlapping or not; what lies outside of Unicode is left out.
  explicit CodePoints(std::vector<CodeRange> ranges);
  static CodePoints all();

  CodePoints complement() const;
  CodePoints without(const CodePoints& other) const;
  CodePoints with(const CodePoints& other) const;
  CodePoints intersected(const CodePoints& other) const;
  bool contains(char32_t character) const;
  bool empty() const { return ranges_.empty(); }
  // Ascending, with gaps between them.
  const std::vector<CodeRange>& ranges() const { return ranges_; }

 private:
  std::vector<CodeRange> ranges_;
};

struct ByteRange {
  uint8_t first, last;
};

// Strings of `length` bytes, each within its range.
struct ByteSequence {
  std::array<ByteRange, 4> bytes;
  size_t length;
};

// The UTF-8 spellings of `characters`, as few sequences as byte ranges allow.
std::vector<ByteSequence> utf8_sequences(const CodePoints& characters);

}  // namespace isthmus::grammar
