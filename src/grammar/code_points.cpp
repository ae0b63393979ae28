#include "grammar/code_points.h"

#include <algorithm>
#include <string>

#include "text/utf8.h"

namespace isthmus::grammar {

namespace {

constexpr char32_t kLast = 0x10FFFF;
constexpr CodeRange kSurrogates{0xD800, 0xDFFF};

void add_sequences(char32_t first, char32_t last, std::vector<ByteSequence>& out) {
  // One length of spelling at a time.
  for (const char32_t longest : {0x7Fu, 0x7FFu, 0xFFFFu})
    if (first <= longest && last > longest) {
      add_sequences(first, longest, out);
      add_sequences(longest + 1, last, out);
      return;
    }
  // Byte ranges multiply out only where all later bytes run through all their values, or where the
  // earlier ones are the same.
  if (last > 0x7F)
    for (int bits = 6; bits <= 18; bits += 6) {
      const char32_t low = (char32_t{1} << bits) - 1;
      if ((first & ~low) == (last & ~low)) continue;
      if ((first & low) != 0) {
        add_sequences(first, first | low, out);
        add_sequences((first | low) + 1, last, out);
        return;
      }
      if ((last & low) != low) {
        add_sequences(first, (last & ~low) - 1, out);
        add_sequences(last & ~low, last, out);
        return;
      }
    }
  std::string from, to;
  text::append_utf8(first, from);
  text::append_utf8(last, to);
  ByteSequence& sequence = out.emplace_back();
  sequence.length = from.size();
  for (size_t i = 0; i < from.size(); ++i)
    sequence.bytes[i] = {static_cast<uint8_t>(from[i]), static_cast<uint8_t>(to[i])};
}

}  // namespace

CodePoints::CodePoints(std::vector<CodeRange> ranges) {
  std::vector<CodeRange> real;
  for (CodeRange range : ranges) {
    range.last = std::min(range.last, kLast);
    if (range.first < kSurrogates.first && range.first <= range.last)
      real.push_back({range.first, std::min<char32_t>(range.last, kSurrogates.first - 1)});
    if (range.last > kSurrogates.last && range.first <= range.last)
      real.push_back({std::max<char32_t>(range.first, kSurrogates.last + 1), range.last});
  }
  std::ranges::sort(real, {}, &CodeRange::first);
  for (const CodeRange& range : real) {
    if (!ranges_.empty() && range.first <= ranges_.back().last + 1)
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    else
      ranges_.push_back(range);
  }
}

CodePoints CodePoints::all() { return CodePoints({{0, kLast}}); }

CodePoints CodePoints::complement() const {
  std::vector<CodeRange> gaps;
  char32_t next = 0;
  for (const CodeRange& range : ranges_) {
    if (range.first > next) gaps.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  gaps.push_back({next, kLast});
  return CodePoints(std::move(gaps));
}

CodePoints CodePoints::with(const CodePoints& other) const {
  std::vector<CodeRange> both = ranges_;
  both.insert(both.end(), other.ranges_.begin(), other.ranges_.end());
  return CodePoints(std::move(both));
}

CodePoints CodePoints::intersected(const CodePoints& other) const {
  return complement().with(other.complement()).complement();
}

CodePoints CodePoints::without(const CodePoints& other) const {
  return complement().with(other).complement();
}

bool CodePoints::contains(char32_t character) const {
  const auto after = std::ranges::upper_bound(ranges_, character, {}, &CodeRange::first);
  return after != ranges_.begin() && character <= std::prev(after)->last;
}

std::vector<ByteSequence> utf8_sequences(const CodePoints& characters) {
  std::vector<ByteSequence> out;
  for (const CodeRange& range : characters.ranges()) add_sequences(range.first, range.last, out);
  return out;
}

}  // namespace isthmus::grammar
