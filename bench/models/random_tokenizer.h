// Tokenizer files of made-up vocabularies, for checkpoints of noise.
#pragma once

#include <cstdint>
#include <string>

namespace isthmus::bench {

// The bytes of a SentencePiece BPE model with byte fallback: unknown, begin and end, the bytes,
// letters with and without the space before them, then words up to `vocab` pieces.
std::string tokenizer_model(int64_t vocab);

}  // namespace isthmus::bench
