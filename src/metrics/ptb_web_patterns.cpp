// Shapes from written conversations and the web: tags, addresses, names, smileys.
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "metrics/ptb_matching.h"
#include "metrics/ptb_patterns.h"

namespace isthmus::metrics::ptb {
Text tag(Text p) {
  if (*p != U'<') return nullptr;
  const Text limit = p + kMaxSpan;
  const auto within = [limit](Text q) { return *q != U'\n' && q < limit; };
  ++p;
  if (*p == U'!' || *p == U'?') {
    if (!is_ascii_letter(p[1]) && p[1] != U'-') return nullptr;
    for (p += 2; within(p); ++p)
      if (*p == U'>') return p + 1;
    return nullptr;
  }
  const auto in_name = [](char32_t c) { return is_ascii_alnum(c) || is_one_of(c, "_:.-"); };
  if (*p == U'/') ++p;
  if (!is_ascii_letter(*p)) return nullptr;
  p = skip_while(p, in_name);
  while (within(p)) {
    const Text gap = p;
    p = skip_while(p, [](char32_t c) { return c == U' '; });
    if (*p == U'/') ++p;
    if (*p == U'>') return p + 1;
    if (p == gap || !is_ascii_letter(*p)) return nullptr;
    p = skip_while(p, in_name);
    if (*p != U'=') continue;
    const char32_t quote = p[1];
    if (quote != U'"' && quote != U'\'') return nullptr;
    for (p += 2; within(p) && *p != quote;) ++p;
    if (*p != quote) return nullptr;
    ++p;
  }
  return nullptr;
}

Text entity(Text p) {
  if (*p != U'&') return nullptr;
  if (p[1] == U'#') {
    const Text end = one_or_more(p + 2, is_digit);
    return end != nullptr && *end == U';' ? end + 1 : nullptr;
  }
  for (const char* accent : {"acute;", "grave;", "uml;"})
    if (is_vowel(p[1]))
      if (const Text end = literal(p + 2, accent)) return end;
  return nullptr;
}

Text address(Text p) {
  const Text limit = p + kMaxSpan;
  const auto ends_run = [](char32_t c) { return is_one_of(c, " \t\n\f\r\"<>|()"); };
  const auto is_final = [&](char32_t c) { return !ends_run(c) && !is_one_of(c, ".!?{},-"); };
  // From `q` on, at least two characters, the last of which is no punctuation.
  const auto path = [&](Text q, std::string_view excluded) -> Text {
    Text best = nullptr;
    for (Text c = q; c < limit && !ends_run(*c) && !is_one_of(*c, excluded); ++c)
      if (c > q && is_final(*c)) best = c + 1;
    return best;
  };
  for (const char* scheme : {"http://", "https://"})
    if (const Text host = literal(p, scheme)) return path(host, "{}");

  const bool www = begins_with(p, "www.");
  // Quirk: without www. the hyphen in the list of excluded characters spans , to _, so labels have
  // neither capitals nor digits.
  const auto in_label = [&](char32_t c) {
    return !ends_run(c) && !is_one_of(c, ".!?{},") &&
           (www || !((c >= U',' && c <= U'_') || is_one_of(c, "`'$")));
  };
  Text best = nullptr;
  for (Text label = www ? p + 4 : p; label < limit;) {
    Text end = label;
    while (end < limit && in_label(*end)) ++end;
    if (end == label || *end != U'.') break;
    label = end + 1;
    if (www) {
      int letters = 0;
      while (letters < 4 && is_ascii_letter(label[letters])) ++letters;
      if (letters >= 2) best = label + letters;
    } else {
      for (const char* domain : {"com", "net", "org", "edu"})
        if (const Text host = literal(label, domain)) best = host;
    }
  }
  if (best == nullptr || *best != U'/') return best;
  return longer(best, path(best + 1, ""));
}

Text mail_address(Text p) {
  if (*p == U'<') ++p;
  if (!is_ascii_alnum(*p)) return nullptr;
  const Text limit = p + kMaxSpan;
  const auto inside = [](char32_t c) {
    return !is_one_of(c, " \t\n\f\r\"<>|(){}") && c != kNoBreakSpace;
  };
  // Labels between single periods behind any of the @ signs.
  Text best = nullptr;
  bool in_domain = false;
  for (Text c = p + 1; c < limit && inside(*c); ++c) {
    const bool after_joint = c[-1] == U'@' || c[-1] == U'.';
    if (*c == U'.') {
      in_domain = in_domain && !after_joint;
    } else if (in_domain) {
      best = c + 1;
    }
    in_domain = in_domain || *c == U'@';
  }
  return best != nullptr && *best == U'>' ? best + 1 : best;
}

Text file_name(Text p) {
  constexpr std::string_view kEndings[] = {
      "bat",  "bmp",  "c",   "cgi", "cpp", "dll", "doc", "docx", "exe", "gif", "gz",  "h",
      "htm",  "html", "jar", "java", "jpeg", "jpg", "mov", "mp3", "pdf", "php", "pl",  "png",
      "ppt",  "ps",   "py",  "sql", "tar", "txt", "wav", "x",    "xml", "zip"};
  const auto inside = [](char32_t c) { return is_digit(c) || is_word_letter(c); };
  const Text limit = p + kMaxSpan;
  Text best = nullptr;
  for (Text end = one_or_more(p, inside); end != nullptr && end < limit && *end == U'.';) {
    std::string ending;
    const Text next = one_or_more(end + 1, inside);
    if (next == nullptr) break;
    for (Text c = end + 1; c < next && ending.size() < 5; ++c)
      ending += *c < 0x80 ? static_cast<char>(lower(*c)) : '?';
    end = next;
    const bool known = std::find(std::begin(kEndings), std::end(kEndings), ending) !=
                       std::end(kEndings);
    if (known && (is_blank(*end) || is_one_of(*end, "\n.!?,"))) best = end;
  }
  return best;
}

Text user_or_topic(Text p) {
  if (*p == U'#') return one_or_more(p + 1, is_word_letter);
  if (*p != U'@' || (!is_ascii_letter(p[1]) && p[1] != U'_')) return nullptr;
  return skip_while(p + 1, [](char32_t c) { return is_ascii_alnum(c) || c == U'_'; });
}

Text smiley(Text p) {
  constexpr std::string_view kMouths = "()DPdpO\\{@|[]";
  if (*p == U'<' || *p == U'>') ++p;
  if (!is_one_of(*p, ":;=")) return nullptr;
  const Text mouth = is_one_of(p[1], "-o*'") && is_one_of(p[2], kMouths) ? p + 2 : p + 1;
  return is_one_of(*mouth, kMouths) ? mouth + 1 : nullptr;
}

Text upright_smiley(Text p) {
  const auto is_eye = [](char32_t c) { return is_one_of(c, "-^x=~<>'"); };
  if (p[0] == U'(' && is_eye(p[1])) {
    const Text second = p + (p[2] == U'_' || p[2] == U'.' ? 3 : 2);
    if (is_eye(*second) && second[1] == U')') return second + 2;
  }
  return is_eye(p[0]) && p[1] == U'_' && is_eye(p[2]) ? p + 3 : nullptr;
}

}  // namespace isthmus::metrics::ptb
