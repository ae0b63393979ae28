// A second, smaller model that guesses how the answers of another go on.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/conversation_cache.h"
#include "engine/guesses.h"
#include "engine/media_loader.h"
#include "families/family.h"
#include "isthmus/input.h"

namespace isthmus::engine {

// Reads the prompt as the other model does, in the same ids, and continues greedily. Media it sees
// with eyes of its own if it is of the same family; any other draft reads the text as if they were
// not there. It keeps the last conversation, as the other does. One thread at a time.
class Draft {
 public:
  // `checks`: the model whose answers it guesses. Throws UsageError naming both where an id that
  // both vocabularies hold stands for another piece in each.
  Draft(std::shared_ptr<families::Family> family, families::Family& checks);

  // Guesses at the answer to `request`, which reads as `segments`. Nothing is computed before the
  // first is asked for. The draft, the request and the segments must outlive it; the guesses of one
  // answer end those of the answer before.
  std::unique_ptr<GuessSource> source(const Request& request,
                                      std::span<const families::Segment> segments);
  void forget();

 private:
  class Answer;

  std::shared_ptr<families::Family> family_;
  bool sees_media_;
  double cost_;  // of a pass of it, in passes of the other
  MediaLoader media_;
  ConversationCache conversation_;
};

}  // namespace isthmus::engine
