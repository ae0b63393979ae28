#include "metrics/ptb_abbreviations.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

namespace isthmus::metrics::ptb {
namespace {

// All tables are sorted.
constexpr std::string_view kTitles[] = {
    "adj",   "adm",    "adv",   "alex",  "assoc",  "asst",  "atty",  "attys", "ave",  "brig",
    "capt",  "cf",     "cie",   "cmdr",  "col",    "comdr", "cpl",   "dept",  "det",  "dr",
    "drs",   "elec",   "ens",   "ft",    "gen",    "gov",   "govs",  "hon",   "insp", "invt",
    "jos",   "lieut",  "lt",    "maj",   "messrs", "mfg",   "mlle",  "mme",   "mr",   "mrs",
    "ms",    "msgr",   "mt",    "mtg",   "natl",   "pfc",   "ph",    "pres",  "prof", "profs",
    "pvt",   "rep",    "reps",  "rev",   "sen",    "sens",  "sfc",   "sgt",   "spc",  "st",
    "ste",   "supt",   "supts", "treas", "vs",     "wm"};

constexpr std::string_view kClosing[] = {
    "al",   "ala",  "apr",  "ariz", "assn", "aug",  "bancorp", "bhd",    "bldg", "blvd", "bros",
    "calif", "co",  "colo", "conn", "corp", "cos",  "ct",      "dak",    "dec",  "esq",  "est",
    "etc",  "ext",  "feb",  "fla",  "fri",  "ga",   "inc",     "ind",    "intl", "jan",  "jr",
    "jul",  "jun",  "kan",  "kans", "ky",   "ltd",  "mar",     "md",     "mich", "minn", "mo",
    "mon",  "mont", "neb",  "nev",  "nov",  "oct",  "okla",    "penn",   "plc",  "ppte", "ppty",
    "pte",  "ptes", "pty",  "ptys", "rd",   "rt",   "sep",     "sept",   "seq",  "sq",   "sr",
    "sys",  "tel",  "tenn", "thu",  "thurs", "tue", "tues",    "univ",   "va",   "vt",   "wed",
    "wis",  "wisc", "wyo"};

// Also words of their own ("la", "ill", "mass"): abbreviations only with a capital.
constexpr std::string_view kClosingCapital[] = {"ark",  "az",   "del", "ill", "la",  "mass",
                                                "miss", "ore", "pa",  "tex", "wash"};

constexpr std::string_view kBeforeNumber[] = {"art", "fig", "figs", "no", "nos",
                                              "op",  "pp",  "prop"};

constexpr std::string_view kStarters[] = {
    "A",    "About", "According", "After", "An",   "As",    "At",   "But",   "Earlier", "He",
    "Her",  "Here",  "However",   "If",    "In",   "It",    "Last", "Many",  "More",    "Mr.",
    "Ms.",  "Now",   "Once",      "One",   "Other", "Our",  "She",  "Since", "So",      "Some",
    "Such", "That",  "The",       "Their", "Then", "There", "These", "They", "This",    "We",
    "What", "When",  "While",     "Yet",   "You"};

template <typename Table>
bool contains(const Table& table, std::string_view word) {
  return std::binary_search(std::begin(table), std::end(table), word);
}

// canada-u.s, non-u.s and the like, without the last period.
Text hyphened_country(Text p) {
  for (const char* before : {"canada-", "sino-", "korean-", "eu-", "japan-", "non-"})
    if (const Text country = literal(p, before)) return literal(country, "u.s");
  if (const Text country = literal(p, "u.s.-")) {
    if (const Text end = literal(country, "u.s.s.r")) return end;
    return literal(country, "u.k");
  }
  return nullptr;
}

Text acronym(Text p) {
  if (const Text end = hyphened_country(p)) return end;
  Text end = p + 1;
  while (*end == U'.' && is_ascii_letter(end[1])) end += 2;
  return end;
}

}  // namespace

AbbreviationMatch abbreviation(Text p) {
  constexpr size_t kLongest = 8;
  std::string letters;
  Text end = p;
  while (is_ascii_letter(*end) && letters.size() <= kLongest)
    letters += static_cast<char>(ptb_lower_case(*end++));
  if (letters.empty()) return {};
  for (const char* degree : {"ph.d.", "ed.d."})
    if (const Text after = literal(p, degree)) return {Abbreviation::kClosing, after};
  if (*end == U'.' && letters.size() > 1) {
    if (contains(kTitles, letters)) return {Abbreviation::kTitle, end + 1};
    if (contains(kClosing, letters) || (is_upper(*p) && contains(kClosingCapital, letters)))
      return {Abbreviation::kClosing, end + 1};
    if (contains(kBeforeNumber, letters)) return {Abbreviation::kBeforeNumber, end + 1};
  }
  end = acronym(p);
  if (*end != U'.') return {};
  return {end == p + 1 ? Abbreviation::kInitial : Abbreviation::kAcronym, end + 1};
}

bool sentence_starter_follows(Text p) {
  if (!is_blank(*p)) return false;
  while (is_blank(*p)) ++p;
  if (const Text end = tag(p)) return is_blank(*end) || *end == U'\n';
  std::string word;
  // Capitalised or all in capitals; the first letter decides.
  if (!is_upper(*p)) return false;
  while ((is_ascii_letter(*p) || *p == U'.') && word.size() < 12)
    word += static_cast<char>(word.empty() ? *p++ : ptb_lower_case(*p++));
  return (is_blank(*p) || *p == U'\n') && contains(kStarters, word);
}

bool sentence_end_follows(Text p) {
  if (!is_blank(*p)) return false;
  return is_blank(p[1]) || p[1] == U'\n' || is_upper(p[1]) || tag(p + 1) != nullptr;
}

}  // namespace isthmus::metrics::ptb
