// Byte-level BPE: every byte is a printable character, and text is cut by GPT-2's pattern first.
//                                                                                     Radford et
//                                                                                     al. 2019
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace isthmus::text {

// Bytes to their characters: 'a' stays 'a', ' ' becomes "Ġ", 0x0A becomes "Ċ".
std::string byte_level_encode(std::string_view bytes);
// Back again; a token with a character that stands for no byte (an added token) is returned as it
// is.
std::string byte_level_decode(std::string_view token);

// The matches of 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ ; they
// cover the text (valid UTF-8).
std::vector<std::string_view> gpt2_split(std::string_view text);

}  // namespace isthmus::text
