#include "preflight.h"

#include <algorithm>
#include <iostream>
#include <numeric>

#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "../half_blocks.h"
#include "base/atomic_file.h"
#include "base/shape.h"
#include "base/system_memory.h"
#include "isthmus/error.h"
#include "media/encode_png.h"
#include "media_html.h"
#include "modalities/views.h"
#include "text/html.h"

namespace isthmus::cli {
namespace {

using families::Segment;
using families::TextSegment;
using training::Shown;

std::string plural(int64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

// "picture 1 of 2: image [1, 3, 42, 42], 9 soft tokens"
std::string medium_line(const Shown& shown, size_t at) {
  const modalities::Prepared& medium = shown.example.media[at];
  const training::MediumRows& rows = shown.media[at];
  return fmt::format("medium {} of {}: {} {}, {}", at + 1, shown.example.media.size(),
                     medium.modality, to_string(medium.shape),
                     rows.in_sequence ? plural(rows.tokens, "soft token", "soft tokens")
                                      : plural(rows.tokens, "latent", "latents"));
}

// What became of the samples that were looked at; empty where all can be learnt from.
std::string survey_line(const Shown& shown) {
  std::vector<std::string> words;
  const auto add = [&](int64_t count, const char* what) {
    if (count > 0) words.push_back(fmt::format("{} {}", count, what));
  };
  add(shown.mismatched, "whose turns cannot be told apart");
  add(shown.without_loss, "without a token that carries loss");
  add(shown.unusable, "that cannot be used");
  if (words.empty()) return {};
  return fmt::format("of {} samples looked at: {}", shown.looked_at, fmt::join(words, ", "));
}

// Tokens that carry loss, of the sample shown.
int64_t targets_of(const Shown& shown) {
  return std::accumulate(shown.example.segments.begin(), shown.example.segments.end(), int64_t{0},
                         [](int64_t sum, const Segment& segment) {
                           const auto* text = std::get_if<TextSegment>(&segment);
                           return text == nullptr || !text->is_target ? sum
                                                                      : sum + std::ssize(text->ids);
                         });
}

void draw(const Shown& shown) {
  constexpr int64_t kColumns = 32, kLineColumns = 100, kMostPictures = 6;
  std::vector<media::Image> pictures;
  for (const modalities::Prepared& medium : shown.example.media)
    for (media::Image& picture : modalities::pictures_of(medium))
      if (std::ssize(pictures) < kMostPictures) pictures.push_back(std::move(picture));
  if (pictures.empty()) return;
  const int64_t columns =
      std::min(kColumns, kLineColumns / static_cast<int64_t>(pictures.size()) - 1);
  for (const std::string& line : half_blocks(pictures, columns)) std::cerr << "  " << line << "\n";
}

constexpr const char* kPreflightHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Isthmus: before the first step</title>
<style>
:root { color-scheme: light dark; --line: #8884; --learnt: #1a7f37; --quiet: #8a8a8a; }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { font-weight: 600; }
.sample { border: 1px solid var(--line); border-radius: .6rem; padding: .9rem; margin: 1rem 0; }
.media { display: flex; flex-wrap: wrap; gap: .8rem; margin-bottom: .6rem; }
.media figure { margin: 0; max-width: 100%; } figcaption, .note { color: var(--quiet); font-size: .85rem; }
.media img { image-rendering: pixelated; height: 9rem; max-width: 100%; } .media svg { width: 20rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
.learnt { color: var(--learnt); font-weight: 600; } .medium { background: var(--line); border-radius: .3rem; }
</style></head><body>
)";

std::string medium_as_html(const Shown& shown, size_t at) {
  std::string html = "<figure>";
  for (const media::Image& picture : modalities::pictures_of(shown.example.media[at]))
    html += picture_as_html(media::encode_png(picture));
  if (const auto curves = modalities::curves_of(shown.example.media[at]); !curves.empty())
    html += curves_as_html(curves);
  return html + fmt::format("<figcaption>{}</figcaption></figure>\n",
                            text::escape_html(medium_line(shown, at)));
}

std::string text_as_html(const Shown& shown, const text::Tokenizer& tokenizer) {
  std::string html;
  for (const Segment& segment : shown.example.segments) {
    if (const auto* text = std::get_if<TextSegment>(&segment)) {
      const std::string words = text::escape_html(tokenizer.decode(text->ids, false));
      html += text->is_target ? fmt::format("<span class=\"learnt\">{}</span>", words) : words;
      continue;
    }
    const size_t input = std::get<families::MediaSegment>(segment).input;
    html += input < shown.media.size()
                ? fmt::format("<span class=\"medium\">medium {}</span>", input + 1)
                : "<span class=\"medium\">no medium</span>";
  }
  return html;
}

}  // namespace

void print(const Preflight& preflight, const text::Tokenizer& tokenizer) {
  const bool colour = ::isatty(STDERR_FILENO) != 0;
  const bool draws = shows_true_colour(STDERR_FILENO);
  std::cerr << "stage " << preflight.title << "\n";
  for (const Shown& shown : preflight.entries) {
    std::cerr << fmt::format("{}: {}, {}, {} media\n", shown.entry, shown.sample,
                             plural(targets_of(shown), "token carries loss", "tokens carry loss"),
                             shown.example.media.size());
    if (const std::string line = survey_line(shown); !line.empty())
      std::cerr << "  " << line << "\n";
    for (size_t i = 0; i < shown.media.size(); ++i)
      std::cerr << "  " << medium_line(shown, i) << "\n";
    if (draws) draw(shown);
    std::cerr << "  ";
    for (const Segment& segment : shown.example.segments) {
      const auto* text = std::get_if<TextSegment>(&segment);
      if (text == nullptr) {
        std::cerr << "<medium>";
        continue;
      }
      const std::string words = tokenizer.decode(text->ids, false);
      if (!text->is_target)
        std::cerr << words;
      else if (colour)
        std::cerr << "\x1b[32m" << words << "\x1b[0m";
      else
        std::cerr << "[" << words << "]";
    }
    std::cerr << "\n";
  }
  for (const std::string& line : preflight.lines) std::cerr << line << "\n";
}

void write_page(const Preflight& preflight, const text::Tokenizer& tokenizer,
                const std::filesystem::path& file) {
  std::string html = kPreflightHead;
  html += fmt::format("<h1>{}</h1>\n", text::escape_html(preflight.title));
  for (const std::string& line : preflight.lines)
    html += fmt::format("<p class=\"note\">{}</p>\n", text::escape_html(line));
  html +=
      "<p>One sample of each data set as training sees it: pictures are those that the encoder "
      "takes, and <span class=\"learnt\">what carries loss</span> is coloured.</p>\n";
  for (const Shown& shown : preflight.entries) {
    html += fmt::format("<h2>{}</h2>\n<div class=\"sample\"><p class=\"note\">{}, {}{}</p>\n",
                        text::escape_html(shown.entry), text::escape_html(shown.sample),
                        plural(targets_of(shown), "token carries loss", "tokens carry loss"),
                        survey_line(shown).empty() ? "" : "; " + survey_line(shown));
    html += "<div class=\"media\">\n";
    for (size_t i = 0; i < shown.media.size(); ++i) html += medium_as_html(shown, i);
    html += fmt::format("</div><pre>{}</pre></div>\n", text_as_html(shown, tokenizer));
  }
  write_file(file, html + "</body></html>\n");
}

std::string memory_line(const std::string& stage, const training::MemoryEstimate& memory,
                        bool anyway) {
  const auto free = available_memory();
  std::string line = "memory: about " + memory.text();
  if (!free) return line;
  // What is held already needs no more room.
  const int64_t there = *free + resident_memory();
  constexpr double kLittle = 0.9;
  line += fmt::format("; {} are there", training::bytes_in_words(there));
  if (memory.total() > there && !anyway)
    throw ResourceError(fmt::format(
        "stage {}: {}. Smaller batches with more accumulation need less, and so do frozen weights "
        "in 8 to 4 bits (storage), or gradient_checkpointing; --anyway starts it nevertheless",
        stage, line));
  if (memory.total() > there)
    line += ": it may not fit";
  else if (static_cast<double>(memory.total()) > kLittle * static_cast<double>(there))
    line += ": it is close";
  return line;
}

}  // namespace isthmus::cli
