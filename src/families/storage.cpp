#include "families/storage.h"

#include <string>
#include <utility>

namespace isthmus::families {

weights::BindOptions storage_options(const LoadOptions& load) {
  weights::BindOptions options;
  const std::pair<const char*, const std::string&> parts[] = {{"decoder.*", load.decoder_storage},
                                                              {"encoder.*", load.encoder_storage},
                                                              {"aligner.*", load.aligner_storage}};
  for (const auto& [glob, storage] : parts) {
    options.storage.add(glob, weights::parse_storage(storage));
    if (storage == "bf16") options.arithmetic = nn::Arithmetic::kBFloat16;
  }
  return options;
}

}  // namespace isthmus::families
