#include "engine/literal_prompt.h"

namespace isthmus::engine {

std::vector<Part> split_at_markers(const std::string& text,
                                   const std::vector<std::filesystem::path>& images,
                                   size_t& next_image, std::span<const std::string> tokens) {
  std::vector<std::string> marks{"<image>"};
  for (const std::string& token : tokens)
    if (token != marks.front()) marks.push_back(token);
  const bool keeps_lone_markers = marks.size() > 1 || !tokens.empty();
  std::vector<Part> parts;
  size_t from = 0;
  while (true) {
    size_t at = std::string::npos;
    const std::string* found = nullptr;
    for (const std::string& mark : marks)
      if (const size_t here = text.find(mark, from); here < at) {
        at = here;
        found = &mark;
      }
    if (found == nullptr) break;
    if (at > from) parts.push_back(Part::of_text(text.substr(from, at - from)));
    if (found != &marks.front())
      parts.push_back(Part::of_token(*found));
    else if (next_image < images.size())
      parts.push_back(Part::of_image(images[next_image++]));
    else if (keeps_lone_markers)
      parts.push_back(Part::of_token(*found));
    from = at + found->size();
  }
  if (from < text.size() || parts.empty()) parts.push_back(Part::of_text(text.substr(from)));
  return parts;
}

}  // namespace isthmus::engine
