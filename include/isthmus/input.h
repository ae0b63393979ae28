// What one asks a model: messages made of text and media, or a literal prompt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "isthmus/export.h"
#include "isthmus/generation.h"

namespace isthmus {

// A piece of a message. Text never becomes a special or image token by spelling it.
struct ISTHMUS_EXPORT Part {
  enum class Type { kText, kMedia, kToken };
  struct Box {
    int64_t top, left, height, width;  // in pixels of the picture
  };

  Type type = Type::kText;
  std::string text;  // kText: as written; kToken: the spelling of one special token

  // kMedia: what kind of thing it is (image video audio points depth normal imu fmri, or any other
  // the model knows), and a file, or its bytes when `path` is empty.
  std::string modality;
  std::filesystem::path path;
  std::vector<std::byte> data;
  std::optional<double> start, end;  // seconds: only this piece of a recording
  std::filesystem::path rgb;         // depth, normal: the picture of the same scene …
  std::vector<std::byte> rgb_data;   // … or its bytes when `rgb` is empty
  std::string unit;                  // depth: "m" or "mm"; empty: guessed, and said
  std::filesystem::path mask;        // fmri from NIfTI: the voxels that count …
  std::vector<std::byte> mask_data;  // … or the bytes of that file when `mask` is empty
  std::optional<Box> crop;           // image, depth, normal: where the reference crops at random

  static Part of_text(std::string text);
  static Part of_token(std::string spelling);
  static Part of_media(std::string modality, std::filesystem::path path);
  static Part of_image(std::filesystem::path path) { return of_media("image", std::move(path)); }
  static Part of_image_data(std::vector<std::byte> bytes);
};

// role: "system", "user" or "assistant".
struct Message {
  std::string role;
  std::vector<Part> content;
};

// One of `messages`, rendered by a conversation template, `prompt`, taken exactly as given, and
// `prompt_ids`, the same without media as ids of tokens: nothing is put before them.
struct ISTHMUS_EXPORT Request {
  std::vector<Message> messages;
  std::vector<Part> prompt;
  std::vector<int64_t> prompt_ids;
  std::string conversation_template;  // empty: the model's own
  GenerationConfig generate;

  bool is_literal() const { return !prompt.empty() || !prompt_ids.empty(); }

  // The request format of docs/formats.md. Relative media paths are resolved against `folder`.
  // Throws UsageError naming `source` and the field.
  static Request parse(const std::string& json, const std::string& source,
                       const std::filesystem::path& folder);
  static Request load(const std::filesystem::path& file);
};

}  // namespace isthmus
