// Which kinds of input a OneLLM takes: from the names and shapes of its tensors, and onellm.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_view.h"
#include "layout/onellm_config.h"

namespace isthmus::layout {

// onellm.json, or nothing when the file is not there.
class OneLlmOptions {
 public:
  // Throws ModelError for a broken file and for keys that mean nothing.
  explicit OneLlmOptions(const std::filesystem::path& file);

  int64_t number(std::string_view key, int64_t fallback) const;  // above 0
  // Throws ModelError unless the file says `found`, which `source` shows, or nothing.
  void expect(std::string_view key, int64_t found, const std::string& source) const;
  void require(bool condition, std::string_view key, const std::string& what) const;
  std::optional<JsonView> find(std::string_view key) const;
  // The entry of "modalities" with that name.
  std::optional<JsonView> modality(std::string_view name) const;
  std::vector<JsonView> modalities() const;

 private:
  std::optional<JsonView> json_;
};

// In the reference's order, those it does not know behind, by name.
std::vector<ModalityConfig> read_modalities(const OneLlmTensors& tensors,
                                            const OneLlmOptions& options,
                                            const UniversalEncoderConfig& encoder);

}  // namespace isthmus::layout
