// Few-shot prompts: how solved examples and a question become one literal prompt.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "isthmus/input.h"

namespace isthmus::text {

// What one solved example, or the question, can put into a prompt. The question has no answer.
struct FewShotItem {
  std::vector<Part> media = {};  // all of them stand where the form has {media}
  std::string prompt = {}, question = {}, ocr = {}, answer = {};
};

// A form as data. The patterns are text with fields: {media} {prompt} {question} {ocr} {answer}
// {end}; {{ and }} are braces.
struct FewShotForm {
  std::string name;
  std::string demonstration;                 // one solved example; needs {answer}
  std::string query;                         // the question; has no {answer}
  std::string separator;                     // stands after every demonstration
  std::string end_token = "<|endofchunk|>";  // what {end} inserts: one special token
  bool strip_answer = false;                 // white space around {answer} is left out
  std::vector<std::string> stop = {};        // where an answer begins to ask the next question

  // The fields above as keys; all but `demonstration` and `query` may be left out. UsageError
  // names the file and the key of what is wrong.
  static FewShotForm parse(const std::string& json, const std::string& source);
};

// The forms of the evaluation of OpenFlamingo (caption, vqa, classification, hateful_memes), and
// "plain": pictures and texts just as they are given.
std::vector<std::string_view> few_shot_form_names();
// A form by its name, from the file it lies in (*.json), or by its demonstration written out,
// "{media}: {question} {answer}{end}": the query is then what stands before the answer. UsageError
// lists the known names.
FewShotForm find_few_shot_form(const std::string& name);

enum class DemonstrationMedia {
  kShown,
  kLeftOut,  // only the texts of the demonstrations: how a zero-shot prompt shows its form
};

// One solved example as what is given and what is learnt from it: the query, and what the
// demonstration says behind it, the answer and {end}. UsageError for a form whose demonstration
// does not begin with its query.
struct SolvedExample {
  std::vector<Part> given, answer;
};
SolvedExample render_solved(const FewShotForm& form, const FewShotItem& item);

// Text of the items is text: it can never become a special token or a picture by spelling one.
// An item may have no picture: then only its text stands there.
std::vector<Part> render_few_shot(const FewShotForm& form,
                                  std::span<const FewShotItem> demonstrations,
                                  const FewShotItem& query,
                                  DemonstrationMedia media = DemonstrationMedia::kShown);

}  // namespace isthmus::text
