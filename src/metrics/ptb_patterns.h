// The shapes of text that the Penn Treebank tokenizer knows.
//
// Each matcher reads from `p` and returns the end of the longest text of its shape, or nullptr.
// The text ends with a line feed, and no shape contains one, so none needs a length.
#pragma once

#include "metrics/ptb_characters.h"

namespace isthmus::metrics::ptb {

using Text = const char32_t*;

constexpr char32_t kSoftHyphen = 0xAD;
constexpr char32_t kNoBreakSpace = 0xA0;

constexpr bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
constexpr bool is_upper(char32_t c) { return c >= U'A' && c <= U'Z'; }
constexpr bool is_ascii_letter(char32_t c) { return is_upper(c & ~char32_t{32}); }
constexpr bool is_ascii_alnum(char32_t c) { return is_ascii_letter(c) || is_digit(c); }
bool is_letter(char32_t c);
inline bool is_alnum(char32_t c) { return is_digit(c) || is_letter(c); }
bool is_word_letter(char32_t c);  // with marks and the soft hyphen
bool is_apostrophe(char32_t c);
bool is_loose_apostrophe(char32_t c);  // also opening single quotes
bool is_blank(char32_t c);  // not the line feed
// Whether the lower-cased text at `p` begins with `ascii`.
bool begins_with(Text p, const char* ascii);
// As begins_with, the end of it; nullptr otherwise.
Text literal(Text p, const char* ascii);

Text word(Text p);             // letters and digits from a letter on; "hello.world" is one
Text auxiliary(Text p);        // 's 'm 'd 're 've 'll
Text not_contraction(Text p);  // n't
Text special_apostrophe(Text p);  // o'clock-like words the rules of contractions would break
Text compound(Text p);         // letters and digits joined by - or _, with d' l' o' before a part
Text dotted_compound(Text p);  // 3.5-inch, non-U.S.-born
Text slashed(Text p);          // and/or, 24/7
Text ampersand_letters(Text p);  // AT&T

Text number(Text p);    // -1,000.50 and 3:30
Text date(Text p);      // 9/11/2001
Text fraction(Text p);  // 3/4, 1 1/2
Text phone(Text p);     // (555) 123-4567
Text raised_number(Text p);  // digits above or below the line

Text tag(Text p);        // <br/>
Text entity(Text p);     // &#39; &eacute;
Text address(Text p);    // http://…, www.…, example.com/…
Text mail_address(Text p);
Text file_name(Text p);  // a.b.jpg, if a blank or one of . ! ? , follows
Text user_or_topic(Text p);  // @name, #topic
Text smiley(Text p);          // :-)
Text upright_smiley(Text p);  // (^_^)

}  // namespace isthmus::metrics::ptb
