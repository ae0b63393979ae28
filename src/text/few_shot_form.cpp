#include "text/few_shot_form.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/atomic_file.h"
#include "base/json_view.h"
#include "isthmus/error.h"
#include "text/unicode.h"

namespace isthmus::text {
namespace {

struct BuiltIn {
  std::string_view name, demonstration, query, separator;
  bool strip_answer;
  std::array<std::string_view, 3> stop = {};
};

// The separators are those of the reference: a line break after a caption or an answer, nothing
// after the name of a class.                                          open_flamingo/eval
constexpr std::array<BuiltIn, 5> kBuiltIn{{
    {"plain", "{media}{prompt}{answer}{end}", "{media}{prompt}", "", false},
    {"caption", "{media}Output:{answer}{end}", "{media}Output:", "\n", true, {"Output"}},
    {"vqa",
     "{media}Question:{question} Short answer:{answer}{end}",
     "{media}Question:{question} Short answer:",
     "\n",
     false,
     {"Question", "Answer", "Short"}},
    {"classification", "{media}Output:{answer}{end}", "{media}Output:", "", false},
    {"hateful_memes",
     "{media}is an image with: '{ocr}' written on it. Is it hateful? Answer:{answer}{end}",
     "{media}is an image with: '{ocr}' written on it. Is it hateful? Answer:", "", false},
}};

constexpr size_t kLongestFormFile = size_t{1} << 20;
constexpr std::string_view kAnswerField = "{answer}";

enum class Field { kNone, kMedia, kEnd, kPrompt, kQuestion, kOcr, kAnswer };

constexpr std::array<std::pair<std::string_view, Field>, 6> kFields{{{"media", Field::kMedia},
                                                                     {"prompt", Field::kPrompt},
                                                                     {"question", Field::kQuestion},
                                                                     {"ocr", Field::kOcr},
                                                                     {"answer", Field::kAnswer},
                                                                     {"end", Field::kEnd}}};

// A stretch of literal text, or a field.
struct Piece {
  std::string text;
  Field field = Field::kNone;
};

Field field_named(std::string_view name, const std::string& where) {
  const auto known = std::find_if(kFields.begin(), kFields.end(),
                                  [&](const auto& field) { return field.first == name; });
  if (known != kFields.end()) return known->second;
  std::vector<std::string_view> names;
  for (const auto& field : kFields) names.push_back(field.first);
  throw UsageError(fmt::format("{}: there is no field {{{}}}; known are {{{}}}", where, name,
                               fmt::join(names, "} {")));
}

std::vector<Piece> pieces_of(std::string_view pattern, const std::string& where) {
  std::vector<Piece> pieces;
  std::string literal;
  const auto end_literal = [&] {
    if (!literal.empty()) pieces.push_back({std::move(literal), Field::kNone});
    literal.clear();
  };
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c != '{' && c != '}') {
      literal += c;
    } else if (i + 1 < pattern.size() && pattern[i + 1] == c) {
      literal += c;
      ++i;
    } else {
      const size_t close = c == '{' ? pattern.find('}', i) : std::string_view::npos;
      if (close == std::string_view::npos)
        throw UsageError(
            fmt::format("{}: the brace at character {} has no partner; write {{{{ or }}}} for a "
                        "brace that is text",
                        where, i + 1));
      end_literal();
      pieces.push_back({"", field_named(pattern.substr(i + 1, close - i - 1), where)});
      i = close;
    }
  }
  end_literal();
  return pieces;
}

void check(const FewShotForm& form, const std::string& source) {
  const auto count = [](const std::vector<Piece>& pieces, Field field) {
    return std::count_if(pieces.begin(), pieces.end(),
                         [&](const Piece& piece) { return piece.field == field; });
  };
  const auto demonstration = pieces_of(form.demonstration, source + ": demonstration");
  const auto query = pieces_of(form.query, source + ": query");
  if (count(demonstration, Field::kAnswer) == 0)
    throw UsageError(source + ": demonstration: {answer} is missing");
  if (count(query, Field::kAnswer) != 0)
    throw UsageError(source + ": query: {answer} is what the model is asked for");
  if (count(demonstration, Field::kMedia) > 1 || count(query, Field::kMedia) > 1)
    throw UsageError(source + ": an example has one picture; {media} stands there twice");
}

// Joins neighbouring texts: what the form writes and what an item brings is one text to a
// tokenizer.
class Prompt {
 public:
  void text(std::string_view text) {
    if (text.empty()) return;
    if (parts_.empty() || parts_.back().type != Part::Type::kText) parts_.emplace_back();
    parts_.back().text += text;
  }
  void media(const Part& part) { parts_.push_back(part); }
  void token(const std::string& spelling) { parts_.push_back(Part::of_token(spelling)); }
  std::vector<Part> take() { return std::move(parts_); }

 private:
  std::vector<Part> parts_;
};

void append(Prompt& prompt, const FewShotForm& form, const std::vector<Piece>& pieces,
            const FewShotItem& item, DemonstrationMedia media) {
  for (const Piece& piece : pieces) {
    switch (piece.field) {
      case Field::kNone: prompt.text(piece.text); break;
      case Field::kPrompt: prompt.text(item.prompt); break;
      case Field::kQuestion: prompt.text(item.question); break;
      case Field::kOcr: prompt.text(item.ocr); break;
      case Field::kEnd: prompt.token(form.end_token); break;
      case Field::kAnswer:
        prompt.text(form.strip_answer ? strip(item.answer) : std::string_view(item.answer));
        break;
      case Field::kMedia:
        if (media == DemonstrationMedia::kLeftOut) break;
        for (const Part& part : item.media) prompt.media(part);
        break;
    }
  }
}

FewShotForm parse_form(const JsonView& json, const std::string& source) {
  constexpr std::array keys{"name",      "demonstration", "query", "separator",
                            "end_token", "strip_answer",  "stop"};
  for (const auto& [key, value] : json.members())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      value.fail(fmt::format("unknown field; known here are {}", fmt::join(keys, ", ")));
  FewShotForm form;
  form.name = json.string("name", std::filesystem::path(source).stem().string());
  form.demonstration = json.string("demonstration");
  form.query = json.string("query");
  form.separator = json.string("separator", "");
  form.end_token = json.string("end_token", form.end_token);
  form.strip_answer = json.boolean("strip_answer", false);
  if (const auto stop = json.find("stop"))
    for (const JsonView& text : stop->elements()) form.stop.push_back(text.as_string());
  check(form, source);
  return form;
}

}  // namespace

FewShotForm FewShotForm::parse(const std::string& json, const std::string& source) {
  try {
    return parse_form(JsonView::parse(json, source), source);
  } catch (const ModelError& error) {  // JsonView speaks of models; here the fault is in a form
    throw UsageError(error.what());
  }
}

std::vector<std::string_view> few_shot_form_names() {
  std::vector<std::string_view> names;
  for (const BuiltIn& form : kBuiltIn) names.push_back(form.name);
  return names;
}

namespace {

// The blanks before an answer are its own: most tokenizers make them part of its first token.
FewShotForm form_of_demonstration(const std::string& demonstration) {
  FewShotForm form;
  form.name = "the form \"" + demonstration + "\"";
  form.demonstration = demonstration;
  form.query = demonstration.substr(0, demonstration.find(kAnswerField));
  form.query.resize(form.query.find_last_not_of(' ') + 1);
  check(form, form.name);
  return form;
}

}  // namespace

FewShotForm find_few_shot_form(const std::string& name) {
  for (const BuiltIn& form : kBuiltIn) {
    if (form.name != name) continue;
    FewShotForm found{.name = std::string(form.name),
                      .demonstration = std::string(form.demonstration),
                      .query = std::string(form.query),
                      .separator = std::string(form.separator),
                      .strip_answer = form.strip_answer};
    for (const std::string_view stop : form.stop)
      if (!stop.empty()) found.stop.emplace_back(stop);
    return found;
  }
  if (name.find(kAnswerField) != std::string::npos) return form_of_demonstration(name);
  if (std::filesystem::path(name).extension() != ".json")
    throw UsageError(
        fmt::format("there is no prompt form \"{}\"; known are {}, or give a file FORM.json, or a "
                    "demonstration with {{answer}}",
                    name, fmt::join(few_shot_form_names(), ", ")));
  return FewShotForm::parse(read_file(name, kLongestFormFile), name);
}

SolvedExample render_solved(const FewShotForm& form, const FewShotItem& item) {
  if (!form.demonstration.starts_with(form.query))
    throw UsageError(form.name + ": its demonstration does not begin with its query");
  FewShotForm behind = form;
  behind.demonstration = form.demonstration.substr(form.query.size());
  behind.query.clear();
  behind.separator.clear();
  return {render_few_shot(form, {}, item), render_few_shot(behind, std::span(&item, 1), {})};
}

std::vector<Part> render_few_shot(const FewShotForm& form,
                                  std::span<const FewShotItem> demonstrations,
                                  const FewShotItem& query, DemonstrationMedia media) {
  const auto demonstration_pieces = pieces_of(form.demonstration, form.name + ": demonstration");
  Prompt prompt;
  for (const FewShotItem& item : demonstrations) {
    append(prompt, form, demonstration_pieces, item, media);
    prompt.text(form.separator);
  }
  append(prompt, form, pieces_of(form.query, form.name + ": query"), query,
         DemonstrationMedia::kShown);
  return prompt.take();
}

}  // namespace isthmus::text
