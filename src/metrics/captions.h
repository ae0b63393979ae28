// What the caption metrics compare.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::metrics {

// One image: the caption to judge and the captions people gave, tokens separated by single spaces.
struct CaptionItem {
  std::string hypothesis;
  std::vector<std::string> references;
};

// Both through ptb_caption.
CaptionItem tokenize_captions(std::string_view hypothesis, std::span<const std::string> references);

// Throws UsageError if there is no item, InputError if one has no reference. `metric` begins the
// message.
void check_captions(std::span<const CaptionItem> items, std::string_view metric);

}  // namespace isthmus::metrics
