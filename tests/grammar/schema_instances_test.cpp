// Schemas held against an independent validator, both ways: what follows their grammars is valid,
// and what is valid, written as JSON is usually written, follows them.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "grammar/grammar_testing.h"

namespace isthmus::grammar {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

const std::filesystem::path kFolder = std::filesystem::path(ISTHMUS_SOURCE_DIR) / "tests/grammar";

std::vector<std::shared_ptr<const Automaton>> grammars() {
  std::vector<std::shared_ptr<const Automaton>> all;
  std::ifstream file(kFolder / "schemas.json");
  for (const auto& item : ordered_json::parse(file)) all.push_back(schema(item["schema"].dump()));
  return all;
}

std::filesystem::path scratch(const char* name) {
  return std::filesystem::path(testing::TempDir()) / fmt::format("isthmus_grammar_{}", name);
}

// False where Python or the package jsonschema is missing.
bool python(const std::string& mode, const std::filesystem::path& texts,
            const std::filesystem::path& out) {
  const std::string command =
      fmt::format("python3 -W ignore '{}' {} '{}' '{}' > '{}' 2> '{}'",
                  (kFolder / "instances.py").string(), mode, (kFolder / "schemas.json").string(),
                  texts.string(), out.string(), scratch("errors").string());
  const int status = std::system(command.c_str());
  if (status == 0) return true;
  std::ifstream errors(scratch("errors"));
  const std::string said{std::istreambuf_iterator<char>(errors), {}};
  EXPECT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127))
      << said;
  return false;
}

TEST(SchemaInstances, WhatIsUsuallyWrittenIsAccepted) {
  if (!python("write", scratch("instances"), scratch("said")))
    GTEST_SKIP() << "no Python with jsonschema";
  const auto all = grammars();
  std::ifstream file(scratch("instances"));
  int valid = 0, invalid = 0;
  for (std::string line; std::getline(file, line);) {
    const json item = json::parse(line);
    const auto text = item["text"].get<std::string>();
    EXPECT_EQ(accepts(all[item["schema"].get<size_t>()], text), item["valid"].get<bool>())
        << item["schema"] << ": " << text;
    ++(item["valid"].get<bool>() ? valid : invalid);
  }
  EXPECT_GT(valid, 60);
  EXPECT_GT(invalid, 1000);
}

TEST(SchemaInstances, WhatFollowsAGrammarIsJson) {
  const auto all = grammars();
  std::mt19937 random(3);
  std::ofstream texts(scratch("texts"));
  int made = 0;
  for (size_t i = 0; i < all.size(); ++i)
    for (int round = 0; round < 40; ++round) {
      const auto text = random_text(all[i], random);
      if (!text) continue;
      ++made;
      EXPECT_TRUE(json::accept(*text)) << *text;
      texts << json{{"schema", i}, {"text", *text}}.dump() << "\n";
    }
  texts.close();
  EXPECT_GT(made, 200);
  if (!python("check", scratch("texts"), scratch("wrong")))
    GTEST_SKIP() << "no Python with jsonschema";
  std::ifstream wrong(scratch("wrong"));
  for (std::string line; std::getline(wrong, line);) ADD_FAILURE() << "not valid: " << line;
}

}  // namespace
}  // namespace isthmus::grammar
