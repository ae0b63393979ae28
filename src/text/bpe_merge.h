// Byte-pair merging over a linked list, shared by SentencePiece and tokenizer.json.     Sennrich et
// al. 2016
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace isthmus::text {

struct BpeSymbol {
  std::string_view text;  // neighbours are adjacent in memory; unused by rules that merge ids
  int32_t id;
  bool frozen = false;  // never merged
};

class BpeMergeRule {
 public:
  struct Merge {
    int64_t rank;  // lower merges first; the leftmost first among equals
    int32_t id;
  };
  virtual ~BpeMergeRule() = default;
  virtual std::optional<Merge> merge(const BpeSymbol& left, const BpeSymbol& right) = 0;
};

// Merges until no rule applies; O(n log n).
std::vector<BpeSymbol> bpe_merge(std::vector<BpeSymbol> symbols, BpeMergeRule& rule);

}  // namespace isthmus::text
