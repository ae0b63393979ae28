// Base64 as data URIs and JSON requests carry it (RFC 4648, standard alphabet).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus {

// nullopt for a character outside the alphabet or a wrong length; line breaks are skipped.
std::optional<std::vector<std::byte>> decode_base64(std::string_view text);
std::string encode_base64(std::span<const std::byte> bytes);

}  // namespace isthmus
