// What is shown of a stage before its first step.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "text/tokenizer.h"
#include "training/estimate.h"
#include "training/survey.h"

namespace isthmus::cli {

// What a stage says of itself: "align: 4320 numbers learn, 30 steps", memory, time.
struct Preflight {
  std::string title;
  std::vector<std::string> lines;
  std::vector<training::Shown> entries;
};

// To stderr: of every entry one sample, its pictures where the terminal shows colours, its text
// with what carries loss in green or in brackets, and how many tokens its media become.
void print(const Preflight& preflight, const text::Tokenizer& tokenizer);
// The same as a page of its own, with the pictures as the encoder takes them; written whole or not
// at all. Throws ResourceError.
void write_page(const Preflight& preflight, const text::Tokenizer& tokenizer,
                const std::filesystem::path& file);

// "memory: …, 22 GB are there". Throws ResourceError where it cannot fit, naming the stage and what
// to do, unless `anyway`; then, and where little is left, the line says so.
std::string memory_line(const std::string& stage, const training::MemoryEstimate& memory,
                        bool anyway);

}  // namespace isthmus::cli
