// Texts of the world as a language model reads them before it has seen any medium.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "samples/sample.h"
#include "world/dice.h"
#include "world/rows.h"
#include "world/text.h"

namespace isthmus::training {

// A document of texts with weights.
class DocumentWriter {
 public:
  void text(std::string text, double weight);
  void token(std::string spelling, double weight);
  // Of the next answer that counts in full.
  void tag(std::string_view tag) { sample_.tags.emplace_back(tag); }
  samples::Sample take(std::string name);

 private:
  samples::Sample sample_;
};

// The description where a picture would stand, and the questions, as LLaVA (vicuna_v1) and OneLLM
// ask them, or the description copied as they caption.
samples::Sample chat_document(world::Dice& dice, const world::AskWeights& asks, std::string name);
// A row in Flamingo's spelling: <img> is <image>, the end of a sentence <|endofchunk|>.
samples::Sample row_document(const world::Row& row, std::string name);

}  // namespace isthmus::training
