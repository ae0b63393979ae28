// What a constraint takes at each token of an answer: documents are written in the longest tokens
// of a vocabulary, and before each of them the logits of all others that cannot follow are
// forbidden.
#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <time.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/token_constraint.h"
#include "isthmus/error.h"

namespace {

using namespace isthmus::grammar;
// Of this thread's processor time: a step is shorter than what other programs take in between.
double microseconds() {
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

std::shared_ptr<const Vocabulary> read_vocabulary(const std::string& folder,
                                                  const std::string& tokens) {
  if (!folder.empty())
    return std::make_shared<const Vocabulary>(*isthmus::text::Tokenizer::load(folder));
  std::ifstream file(tokens);
  std::vector<std::string> bytes;
  for (std::string line; std::getline(file, line);) {
    std::string& token = bytes.emplace_back();
    for (size_t i = 0; i + 1 < line.size(); i += 2)
      token.push_back(static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16)));
  }
  if (bytes.empty()) throw isthmus::UsageError(fmt::format("{}: no tokens", tokens));
  return std::make_shared<const Vocabulary>(std::move(bytes));
}

struct Case {
  const char* name;
  Rules (*rules)();
  std::string document;
};

std::string people(int count) {
  std::string text = "[";
  for (int i = 0; i < count; ++i)
    text += fmt::format(
        R"({}{{"name": "Person number {} of the list", "age": {}, "email": "person{}@example.org", )"
        R"("tags": ["quick brown fox", "über", "日本語"], "address": {{"city": "Springfield", "zip": "1234{}"}}}})",
        i > 0 ? ", " : "", i, 20 + i % 60, i, i % 10);
  return text + "]";
}

std::vector<Case> cases() {
  return {
      {"schema of nested objects",
       [] {
         return json_schema_rules(R"({"type":"array","items":{"type":"object","properties":{
             "name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},
             "email":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},
             "address":{"type":"object","properties":{"city":{"type":"string"},"zip":{"type":"string"}},
             "required":["city"]}},"required":["name","age"]}})");
       },
       people(12)},
      {"any JSON", [] { return json_schema_rules("{}"); }, people(12)},
      {"strings of bounded length",
       [] { return json_schema_rules(R"({"items":{"type":"string","maxLength":200}})"); },
       R"(["The quick brown fox jumps over the lazy dog, and the dog, being lazy, does nothing about it.", "Ça va sans dire: naïve façades."])"},
      {"words and numbers in GBNF",
       [] { return parse_gbnf("root ::= (([a-z]+ | [0-9]{1,6}) [ ,.])+"); },
       "some words and 12 numbers,like 123456 and 7.more words follow until the line ends."},
  };
}

// One answer; the microseconds of its steps.
std::vector<double> answer(const std::shared_ptr<StateMasks>& masks, std::string_view document) {
  const Vocabulary& vocabulary = masks->vocabulary();
  TokenConstraint constraint(masks, {});
  std::vector<float> logits(vocabulary.size());
  std::vector<double> steps;
  while (!document.empty()) {
    std::ranges::fill(logits, 0.0F);
    const double begin = microseconds();
    constraint.mask(logits);
    double taken = microseconds() - begin;
    int64_t longest = -1;
    for (uint32_t node = vocabulary.child(0, static_cast<uint8_t>(document[0])), depth = 1;
         node != 0; node = depth < document.size()
                               ? vocabulary.child(node, static_cast<uint8_t>(document[depth++]))
                               : 0)
      for (const uint32_t id : vocabulary.tokens_at(node))
        if (logits[id] == 0) longest = id;
    if (longest < 0)
      throw isthmus::InternalError(fmt::format("nothing goes on with {}", document.substr(0, 20)));
    const double accepting = microseconds();
    constraint.accept(longest);
    taken += microseconds() - accepting;
    steps.push_back(taken);
    document.remove_prefix(vocabulary.bytes(longest).size());
  }
  return steps;
}

void report(const char* what, std::vector<double> steps) {
  double sum = 0;
  for (const double step : steps) sum += step;
  std::ranges::sort(steps);
  fmt::print(
      "  {:14} {:6} tokens   median {:8.1f} us   mean {:8.1f}   99 % {:8.1f}   most {:8.1f}\n",
      what, steps.size(), steps[steps.size() / 2], sum / static_cast<double>(steps.size()),
      steps[steps.size() * 99 / 100], steps.back());
}

void run(const std::string& folder, const std::string& tokens) {
  double begin = microseconds();
  const auto vocabulary = read_vocabulary(folder, tokens);
  fmt::print("{} tokens, {} nodes; read and sorted in {:.0f} ms\n", vocabulary->size(),
             vocabulary->nodes().size(), (microseconds() - begin) / 1000);
  for (const Case& c : cases()) {
    begin = microseconds();
    const auto automaton = std::make_shared<const Automaton>(compile(c.rules()));
    fmt::print("{}: {} states, compiled in {:.2f} ms\n", c.name, automaton->states.size(),
               (microseconds() - begin) / 1000);
    const auto masks = std::make_shared<StateMasks>(automaton, vocabulary);
    report("first answer", answer(masks, c.document));
    report("second answer", answer(masks, c.document));
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Microseconds per token of grammars");
  std::string folder, tokens;
  auto* source = app.add_option_group("vocabulary");
  source->add_option("--tokenizer", folder, "Folder of a tokenizer");
  source->add_option("--tokens", tokens,
                     "File with the bytes of a token in hexadecimal on each line");
  source->require_option(1);
  CLI11_PARSE(app, argc, argv);
  try {
    run(folder, tokens);
  } catch (const isthmus::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return error.exit_code();
  }
  return 0;
}
