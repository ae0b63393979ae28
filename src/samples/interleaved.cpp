#include "samples/interleaved.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/base64.h"
#include "base/json_view.h"
#include "samples/assignment.h"
#include "text/utf8.h"

namespace isthmus::samples {
namespace {

std::vector<std::byte> picture_bytes(const JsonView& holder, std::string_view key) {
  auto bytes = decode_base64(holder.string(key));
  if (!bytes) holder.at(key).fail("is not base64");
  return std::move(*bytes);
}

// One row per picture, one column per text.
std::vector<std::vector<double>> similarity_matrix(const JsonView& page, size_t pictures,
                                                   size_t texts) {
  std::vector<std::vector<double>> matrix;
  for (const JsonView& row : page.at("similarity_matrix").elements()) {
    std::vector<double>& values = matrix.emplace_back();
    for (const JsonView& value : row.elements()) {
      values.push_back(value.as_number());
      // Cosines, or cosines in per cent.
      if (std::abs(values.back()) > 1e6) value.fail("is no similarity");
    }
    if (values.size() != texts)
      row.fail(fmt::format("has {} numbers, text_list has {} texts", values.size(), texts));
  }
  if (matrix.size() != pictures)
    page.fail(fmt::format("similarity_matrix has {} rows, image_info has {} pictures",
                          matrix.size(), pictures));
  return matrix;
}

Sample read_page(const JsonView& page, const std::string& name, size_t min_kb) {
  const auto texts = page.at("text_list").elements();
  const auto pictures = page.at("image_info").elements();
  auto all = similarity_matrix(page, pictures.size(), texts.size());
  Sample sample;
  sample.name = name;
  sample.similarities.emplace();
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (!pictures[i].contains("image_base64")) continue;
    std::vector<std::byte> bytes = picture_bytes(pictures[i], "image_base64");
    if (bytes.size() / 1000 <= min_kb) continue;
    sample.document.push_back(Part::of_image_data(std::move(bytes)));
    sample.similarities->push_back(std::move(all[i]));
  }
  if (sample.document.empty())
    throw BadSample(
        name, fmt::format("none of its {} pictures has more than {} kB", pictures.size(), min_kb));
  for (const JsonView& text : texts) sample.document.push_back(Part::of_text(text.as_string()));
  return sample;
}

struct Marker {
  size_t begin, end;  // in the text
};

// The next _!_IMAGEk_!_ at or behind `from`.
std::optional<Marker> find_marker(std::string_view text, size_t from) {
  constexpr std::string_view kBefore = "_!_IMAGE", kBehind = "_!_";
  for (size_t begin = text.find(kBefore, from); begin != std::string_view::npos;
       begin = text.find(kBefore, begin + 1)) {
    const size_t number = begin + kBefore.size();
    size_t end = number;
    while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
    if (end > number && text.substr(end, kBehind.size()) == kBehind)
      return Marker{begin, end + kBehind.size()};
  }
  return std::nullopt;
}

Sample read_sequence(const JsonView& sequence, const std::string& name) {
  Sample sample;
  sample.name = name;
  const std::string text = sequence.string("example");
  const JsonView pictures = sequence.at("image_map");
  const auto add_text = [&](size_t begin, size_t end) {
    if (begin < end) sample.document.push_back(Part::of_text(text.substr(begin, end - begin)));
  };
  size_t position = 0;
  while (const auto marker = find_marker(text, position)) {
    add_text(position, marker->begin);
    const JsonView picture = pictures.at(text.substr(marker->begin, marker->end - marker->begin));
    sample.document.push_back(Part::of_image_data(picture_bytes(picture, "base64_image")));
    position = marker->end;
  }
  add_text(position, text.size());
  return sample;
}

bool is_media(const Part& part) { return part.type == Part::Type::kMedia; }

}  // namespace

Sample read_interleaved(std::string_view json, const std::string& name,
                        const InterleavedOptions& options) {
  try {
    const JsonView document = JsonView::parse(json, name);
    return document.find("is_gpt") ? read_sequence(document, name)
                                   : read_page(document, name, options.min_kb);
  } catch (const ModelError& error) {  // JsonView's word for it; begins with "<name>: "
    throw BadSample(name, std::string(error.what()).substr(name.size() + 2));
  }
}

Sample read_caption_pair(const Members& members, const std::string& name) {
  const auto caption = members.find("txt");
  if (caption == members.end()) throw BadSample(name, "has no caption (.txt)");
  const std::string text(reinterpret_cast<const char*>(caption->second.data()),
                         caption->second.size());
  if (!text::is_valid_utf8(text)) throw BadSample(name, "its caption is not UTF-8");
  for (const char* extension : {"jpg", "png", "jpeg"})
    if (const auto picture = members.find(extension); picture != members.end()) {
      Sample sample;
      sample.name = name;
      sample.document = {Part::of_image_data(picture->second), Part::of_text(text)};
      return sample;
    }
  throw BadSample(name, "has no picture (.jpg, .png or .jpeg)");
}

std::vector<Part> place_media(const Sample& page, const PlacementOptions& options) {
  std::vector<const Part*> media, texts;
  for (const Part& part : page.document) (is_media(part) ? media : texts).push_back(&part);
  const auto& similarities = *page.similarities;
  const auto assigned = best_assignment(similarities);

  std::vector<const Part*> placed;                         // in the order of the page
  std::vector<const Part*> before(texts.size(), nullptr);  // each text
  for (size_t i = 0; i < media.size(); ++i) {
    if (!assigned[i] || similarities[i][*assigned[i]] < options.similarity_threshold) continue;
    if (options.max_media != 0 && placed.size() == options.max_media) break;
    placed.push_back(media[i]);
    before[*assigned[i]] = media[i];
  }
  if (placed.empty())
    throw BadSample(page.name, fmt::format("none of its {} pictures has a text as alike as {}",
                                           media.size(), options.similarity_threshold));

  std::vector<Part> document;
  const auto add_text = [&](const std::string& text) {
    if (text.empty()) return;
    if (document.empty() || is_media(document.back()))
      document.push_back(Part::of_text(text));
    else
      document.back().text += text;
  };
  auto next = placed.begin();
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) add_text(" ");
    if (before[i] != nullptr) document.push_back(options.in_page_order ? **next++ : *before[i]);
    add_text(texts[i]->text);
  }
  return document;
}

std::vector<Part> cut_at_media(std::vector<Part> document, size_t max_media) {
  const auto count = std::ranges::count_if(document, is_media);
  if (max_media == 0 || static_cast<size_t>(count) <= max_media) return document;
  size_t seen = 0;
  document.erase(
      std::ranges::find_if(document,
                           [&](const Part& part) { return is_media(part) && ++seen == max_media; }),
      document.end());
  return document;
}

}  // namespace isthmus::samples
