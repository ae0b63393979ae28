// The tokenizer that a GGUF file carries in its metadata, and its metadata for a file to be
// written.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "text/tokenizer.h"

namespace isthmus::text {

// tokenizer.ggml.model "llama": SentencePiece's BPE by scores, byte fallback; "t5": its unigram
// models; "gpt2": BPE of bytes by merges, in words as tokenizer.ggml.pre cuts them (word_cuts.h).
// Text is cut as llama.cpp cuts it: control and user-defined tokens first, where they are allowed,
// then a space in front of every part (if tokenizer.ggml.add_space_prefix, not of "gpt2"). Throws
// ModelError naming file and key; UnsupportedError for another model or another pre-tokenizer.
std::shared_ptr<const Tokenizer> load_gguf_tokenizer(const formats::GgufFile& file);

// The entries of a tokenizer that was read from a tokenizer.model, for a vocabulary of `rows`: what
// lies behind its tokens is filled up with unused ones. Throws UnsupportedError for any other
// tokenizer.
std::vector<formats::GgufEntry> gguf_entries(const Tokenizer& tokenizer, int64_t rows);

}  // namespace isthmus::text
