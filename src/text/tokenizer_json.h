// tokenizer.json: the pipeline of Hugging Face's fast tokenizers.
//   added tokens -> normalizer -> pre-tokenizer -> BPE -> post-processor;  ids -> decoder
#pragma once

#include <filesystem>
#include <memory>

#include "base/json_view.h"
#include "text/bpe_model.h"
#include "text/tokenizer.h"

namespace isthmus::text {

// UnsupportedError names the component this build does not know; ModelError for a broken file.
std::shared_ptr<const Tokenizer> load_tokenizer_json(const std::filesystem::path& file,
                                                     TokenizerSettings settings);
// The same of a model that was read elsewhere and what such a file says beside its "model";
// `settings.file` names it in messages.
std::shared_ptr<const Tokenizer> make_tokenizer(BpeModel model, const JsonView& json,
                                                TokenizerSettings settings);

// The fast tokenizer that transformers 4.37 makes of a tokenizer.model (LlamaTokenizerFast; LLaVA's
// Mistral models): a dummy prefix before every piece between special tokens, whatever `legacy`
// says.
std::shared_ptr<const Tokenizer> load_sentencepiece_as_fast(const std::filesystem::path& model,
                                                            TokenizerSettings settings);

}  // namespace isthmus::text
