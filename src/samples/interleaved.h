// Documents in which pictures stand between sentences, and pictures with a caption, as OpenFlamingo
// was trained on them: the members of one sample of a shard -> Sample.
//   Zhu et al. 2023, Multimodal C4 (arXiv 2304.06939); Awadalla et al. 2023 (arXiv 2308.01390)
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "isthmus/input.h"
#include "samples/sample.h"

namespace isthmus::samples {

// Extension, in lower case -> content.
using Members = std::map<std::string, std::vector<std::byte>, std::less<>>;

struct InterleavedOptions {
  // Pictures of at most so many kB (of 1000 bytes, rounded down) are icons and rules: left out.
  size_t min_kb = 10;
};

// `json`: a page of MMC4 whose image_info holds image_base64 (as convert_mmc4_to_wds.py writes it),
// or a sequence that a language model wrote around pictures (is_gpt). Throws BadSample.
//  - A page: `document` is its pictures, then its sentences; `similarities` says how alike they
//  are.
//    Pictures without bytes and small ones are left out.
//  - A sequence: text and pictures in their order. Every marker _!_IMAGEk_!_ shows picture k of
//    image_map. (The reference shows picture k at the k-th marker, which is the same where markers
//    are numbered as they come.)
Sample read_interleaved(std::string_view json, const std::string& name,
                        const InterleavedOptions& options = {});

// A picture (jpg, png, jpeg; the first of them) and its caption (txt). Throws BadSample.
Sample read_caption_pair(const Members& members, const std::string& name);

struct PlacementOptions {
  double similarity_threshold = 0.24;  // a medium below it has no place
  size_t max_media = 6;                // the first of the page that have one; 0: all
  // Quirk: the reference leaves media in the order of the page while their places follow the text,
  // so the k-th place gets the k-th medium of the page, whichever was assigned to it. False: every
  // medium stands before its own text.            open_flamingo/train/data.py,
  // preprocess_interleaved
  bool in_page_order = true;
};

// The texts of a page with each medium before the one assigned to it, one-to-one so that the total
// similarity is greatest; texts are joined by single spaces. Throws BadSample when no medium has a
// place.
std::vector<Part> place_media(const Sample& page, const PlacementOptions& options = {});

// Quirk: a document with more media than `max_media` (not 0) is cut before number `max_media`, so
// one fewer stays.                         open_flamingo/train/data.py, preprocess_gpt_interleaved
std::vector<Part> cut_at_media(std::vector<Part> document, size_t max_media);

}  // namespace isthmus::samples
