#include "families/template_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"

namespace isthmus::families {

void TemplateCheck::one_token(std::string_view spelling, std::string_view why) {
  const auto id = tokenizer_.find(spelling);
  if (!id) {
    missing_.push_back(fmt::format("{}, which {}, is not in the vocabulary", spelling, why));
    return;
  }
  const auto ids = tokenizer_.encode(spelling, /*add_bos=*/false);
  if (ids.size() != 1 || ids.front() != *id)
    missing_.push_back(
        fmt::format("{}, which {}, is cut into {} tokens", spelling, why, ids.size()));
}

void TemplateCheck::begins(std::string_view why) {
  const auto bos = tokenizer_.bos_id();
  const auto ids = tokenizer_.encode("", /*add_bos=*/true);
  if (!bos || ids.size() != 1 || ids.front() != *bos)
    missing_.push_back(fmt::format("it puts no BOS before a text ({})", why));
}

void TemplateCheck::ends(std::string_view why) {
  if (!tokenizer_.eos_id()) missing_.push_back(fmt::format("it has no EOS ({})", why));
}

void TemplateCheck::finish() const {
  if (missing_.empty()) return;
  throw UsageError(fmt::format("template {} does not fit the tokenizer {}: {}", name_,
                               tokenizer_.file().string(), fmt::join(missing_, "; ")));
}

}  // namespace isthmus::families
