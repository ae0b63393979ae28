#include "metrics/captions.h"

#include <cstddef>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "metrics/ptb_tokenizer.h"

namespace isthmus::metrics {

CaptionItem tokenize_captions(std::string_view hypothesis,
                              std::span<const std::string> references) {
  CaptionItem item{ptb_caption(hypothesis), {}};
  item.references.reserve(references.size());
  for (const std::string& reference : references) item.references.push_back(ptb_caption(reference));
  return item;
}

void check_captions(std::span<const CaptionItem> items, std::string_view metric) {
  if (items.empty()) throw UsageError(fmt::format("{}: there is no caption to judge", metric));
  for (size_t i = 0; i < items.size(); ++i)
    if (items[i].references.empty())
      throw InputError(
          fmt::format("{}: item {} of {} has no reference caption, expected at least "
                      "one",
                      metric, i, items.size()));
}

}  // namespace isthmus::metrics
