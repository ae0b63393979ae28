#include "families/storage.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/content_hash.h"

namespace isthmus::families {

weights::BindOptions storage_options(const LoadOptions& load) {
  weights::BindOptions options;
  const std::pair<const char*, const std::string&> parts[] = {{"decoder.*", load.decoder_storage},
                                                              {"encoder.*", load.encoder_storage},
                                                              {"aligner.*", load.aligner_storage}};
  for (const auto& [glob, storage] : parts) {
    // What reads and writes words decides more than its share of the bytes.
    if (storage == "q4" || storage == "q5")
      for (const char* table : {"decoder.*embed*", "decoder.wte*", "decoder.*head*"})
        options.storage.add(table, weights::Storage::kQ8);
    options.storage.add(glob, weights::parse_storage(storage));
    if (storage == "bf16") options.arithmetic = nn::Arithmetic::kBFloat16;
  }
  return options;
}

bool brings(std::span<const weights::WeightSource> sources, std::string_view part) {
  return std::ranges::any_of(sources, [&](const weights::WeightSource& source) {
    return std::ranges::any_of(source.checkpoint.names(), [&](const std::string& name) {
      if (source.ignores && source.ignores(name)) return false;
      const auto slot = source.names.to_module(name);
      return slot && slot->name.starts_with(part);
    });
  });
}

std::string fingerprint_of(std::span<const weights::WeightSource> sources) {
  std::string all;
  for (const weights::WeightSource& source : sources)
    for (const std::filesystem::path& file : source.checkpoint.files()) {
      std::error_code ignored;  // a file that is gone still has its name
      const auto path = std::filesystem::weakly_canonical(file, ignored);
      const auto changed = std::filesystem::last_write_time(path, ignored).time_since_epoch();
      all += fmt::format("{}\n{}\n{}\n", path.string(), std::filesystem::file_size(path, ignored),
                         changed.count());
    }
  return hash_bytes(std::as_bytes(std::span(all))).hex();
}

}  // namespace isthmus::families
