// Words that keep their period, as the Penn Treebank tokenizer knows them.
#pragma once

#include "metrics/ptb_patterns.h"

namespace isthmus::metrics::ptb {

enum class Abbreviation {
  kNone,
  kTitle,         // Mr. Dr. St. vs.: rarely ends a sentence
  kClosing,       // Inc. etc. Jan. Calif.: may end a sentence
  kAcronym,       // U.S. a.m. e.g.
  kInitial,       // one letter
  kBeforeNumber,  // No. pp. Fig.: an abbreviation only before a digit
};

struct AbbreviationMatch {
  Abbreviation kind = Abbreviation::kNone;
  Text end = nullptr;  // behind the period
};

AbbreviationMatch abbreviation(Text p);

// Whether blanks at `p` lead to a word that begins a sentence: The, It, Mr.
bool sentence_starter_follows(Text p);
// Whether a blank at `p` leads to a capital, another blank, a tag or the end of the line.
bool sentence_end_follows(Text p);

}  // namespace isthmus::metrics::ptb
