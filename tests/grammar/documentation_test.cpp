// The examples of docs/grammar.md.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "grammar/grammar_testing.h"

namespace isthmus::grammar {
namespace {

struct Block {
  std::string language, text;
};

std::vector<Block> blocks_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<Block> blocks;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) {
      inside = !inside;
      if (inside) blocks.push_back({line.substr(3), ""});
    } else if (inside) {
      blocks.back().text += line + "\n";
    }
  }
  return blocks;
}

TEST(GrammarDocumentation, ExamplesHold) {
  const auto blocks = blocks_of(std::filesystem::path(ISTHMUS_SOURCE_DIR) / "docs/grammar.md");
  int schemas = 0, grammars = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i].language == "gbnf") {
      ++grammars;
      const auto automaton = gbnf(blocks[i].text);
      EXPECT_TRUE(accepts(automaton, "- 2 red large cubes\n- 11 blue cone\n"));
      EXPECT_FALSE(accepts(automaton, "- 0 red cubes\n"));
    }
    if (blocks[i].language != "json") continue;
    ++schemas;
    const auto automaton = schema(blocks[i].text);
    ASSERT_EQ(blocks.at(i + 1).language, "text");
    std::istringstream lines(blocks[i + 1].text);
    for (std::string line; std::getline(lines, line);)
      EXPECT_TRUE(accepts(automaton, line)) << line;
  }
  EXPECT_EQ(schemas, 1);
  EXPECT_EQ(grammars, 1);
}

}  // namespace
}  // namespace isthmus::grammar
