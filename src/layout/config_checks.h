// Bounds on the sizes a config.json may state, so that products of them cannot overflow.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/json_view.h"

namespace isthmus::layout {

// Far above any published model; a value beyond is a broken or hostile file.
inline constexpr int64_t kMaxWidth = int64_t{1} << 20;
inline constexpr int64_t kMaxLayers = 4096;
inline constexpr int64_t kMaxHeads = int64_t{1} << 14;
inline constexpr int64_t kMaxVocabulary = int64_t{1} << 24;
inline constexpr int64_t kMaxPositions = int64_t{1} << 28;
inline constexpr int64_t kMaxImageSize = int64_t{1} << 14;

// An integer in [1, limit]; without `fallback` the key must be there. Throws ModelError.
int64_t bounded(const JsonView& json, std::string_view key, int64_t limit,
                std::optional<int64_t> fallback = std::nullopt);

// A number the file may give as 2 or 2.0, above 0. Throws ModelError.
double above_zero(const JsonView& json, std::string_view key, double fallback);

// What a norm adds to the variance: a number in (0, 1). Throws ModelError.
double norm_epsilon(const JsonView& json, std::string_view key, double fallback);

// Throws UnsupportedError when the file sets a switch that no code here follows.
void require_off(const JsonView& json, std::string_view key);

// "config.json: text_config.hidden_act", for messages that name a key.
std::string key_path(const JsonView& json, std::string_view key);

}  // namespace isthmus::layout
