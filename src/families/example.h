// What a family makes of a sample: a sequence that knows which of its tokens carry loss.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "families/segment.h"
#include "modalities/prepared.h"

namespace isthmus::families {

struct Example {
  std::vector<Segment> segments;            // media are numbered as in `media`
  std::vector<modalities::Prepared> media;  // read, and prepared for the encoder
  // The family's reference could not tell the turns apart, and so nothing carries loss: its
  // "tokenization mismatch".
  bool mismatch = false;
  int64_t max_rows = 0;  // the assembled sequence, soft tokens included, is cut to it; 0: it is not
};

// What a stage says of its data. A family uses what it knows, and its own values for what is left
// at 0 or empty.
struct ExampleOptions {
  std::string conversation_template;     // "plain", "v1", …
  int64_t max_length = 0;                // in tokens, as the family's reference counts them
  int64_t min_media = 0, max_media = 0;  // of one sample
  double similarity_threshold = 0;       // below it a medium has no place in the text
  bool in_page_order = true;             // samples/interleaved.h: a quirk of the reference
  std::function<double()> random = {};   // in [0, 1): where a reference leaves it to chance
};

}  // namespace isthmus::families
