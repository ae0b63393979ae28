#include "grammar/code_points.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "text/utf8.h"

namespace isthmus::grammar {
namespace {

bool spelt(const std::vector<ByteSequence>& sequences, const std::string& text) {
  for (const ByteSequence& sequence : sequences) {
    bool same = sequence.length == text.size();
    for (size_t i = 0; same && i < text.size(); ++i)
      same = sequence.bytes[i].first <= static_cast<uint8_t>(text[i]) &&
             static_cast<uint8_t>(text[i]) <= sequence.bytes[i].last;
    if (same) return true;
  }
  return false;
}

std::vector<char32_t> samples() {
  std::vector<char32_t> all;
  for (const char32_t edge :
       {0x00u, 0x7Fu, 0x80u, 0x7FFu, 0x800u, 0xD7FFu, 0xE000u, 0xFFFFu, 0x10000u, 0x10FFFFu})
    for (int delta = -2; delta <= 2; ++delta) {
      const int64_t c = static_cast<int64_t>(edge) + delta;
      if (c >= 0 && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF))
        all.push_back(static_cast<char32_t>(c));
    }
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    const auto c = static_cast<char32_t>(random() % 0x110000);
    if (c < 0xD800 || c > 0xDFFF) all.push_back(c);
  }
  return all;
}

TEST(CodePoints, SequencesSpellTheSetAndNothingElse) {
  std::mt19937 random(2);
  for (int round = 0; round < 40; ++round) {
    std::vector<CodeRange> ranges;
    for (int i = 0; i < 3; ++i) {
      const auto a = static_cast<char32_t>(random() % 0x110000),
                 b = static_cast<char32_t>(random() % (round % 2 ? 0x110000 : 0x900));
      ranges.push_back({std::min(a, b), std::max(a, b)});
    }
    const CodePoints set(ranges);
    const auto sequences = utf8_sequences(set);
    for (const char32_t c : samples()) {
      std::string text;
      text::append_utf8(c, text);
      EXPECT_EQ(spelt(sequences, text), set.contains(c)) << static_cast<uint32_t>(c);
    }
  }
}

TEST(CodePoints, SurrogatesAreNoCharacters) {
  EXPECT_FALSE(CodePoints::all().contains(0xD800));
  EXPECT_FALSE(CodePoints::all().contains(0xDFFF));
  EXPECT_TRUE(CodePoints::all().contains(0xD7FF));
  EXPECT_TRUE(CodePoints::all().complement().empty());
  EXPECT_TRUE(CodePoints({{0xD800, 0xDFFF}}).empty());
}

TEST(CodePoints, OperationsAreThoseOfSets) {
  const CodePoints a({{'a', 'm'}, {'x', 'z'}}), b({{'k', 'y'}});
  for (char32_t c = 0; c < 300; ++c) {
    EXPECT_EQ(a.with(b).contains(c), a.contains(c) || b.contains(c));
    EXPECT_EQ(a.without(b).contains(c), a.contains(c) && !b.contains(c));
    EXPECT_EQ(a.intersected(b).contains(c), a.contains(c) && b.contains(c));
    EXPECT_EQ(a.complement().contains(c), !a.contains(c));
  }
}

}  // namespace
}  // namespace isthmus::grammar
