// The commands of README.md work as they stand there, and print what stands below them.
#include <gtest/gtest.h>

#include "program.h"

namespace isthmus::testing_programs {
namespace {

// A fenced ```sh block and, where one follows it directly, the ```text block with its output.
struct Example {
  std::vector<std::string> commands;
  std::string output;
  bool shows_output = false;
};

bool is_blank(const std::string& line) {
  return line.find_first_not_of(" \t") == std::string::npos;
}

// Lines of the fenced block that begins after `at`; leaves `at` behind its end.
std::vector<std::string> read_block(const std::vector<std::string>& lines, size_t& at) {
  std::vector<std::string> block;
  for (++at; at < lines.size() && lines[at] != "```"; ++at) block.push_back(lines[at]);
  ++at;
  return block;
}

std::vector<std::string> joined_at_backslashes(const std::vector<std::string>& lines) {
  std::vector<std::string> commands;
  bool continues = false;
  for (const std::string& line : lines) {
    if (continues)
      commands.back().replace(commands.back().size() - 1, 1, line);
    else
      commands.push_back(line);
    continues = line.ends_with('\\');
  }
  return commands;
}

std::vector<Example> examples_of(const std::string& text) {
  const auto lines = lines_of(text);
  std::vector<Example> examples;
  for (size_t at = 0; at < lines.size();) {
    if (lines[at] != "```sh") {
      ++at;
      continue;
    }
    Example example;
    example.commands = joined_at_backslashes(read_block(lines, at));
    while (at < lines.size() && is_blank(lines[at])) ++at;
    if (at < lines.size() && lines[at] == "```text") {
      for (const std::string& line : read_block(lines, at)) example.output += line + "\n";
      example.shows_output = true;
    }
    examples.push_back(std::move(example));
  }
  return examples;
}

// Installing, building and testing have run when this runs.
bool is_ours(const std::string& command) {
  for (const char* elsewhere : {"scripts/demo", "scripts/setup", "scripts/test"})
    if (command.starts_with(elsewhere)) return false;
  for (const char* own : {"isthmus ", "build/release/bin/isthmus ", "scripts/"})
    if (command.starts_with(own)) return true;
  return false;
}

// In the root of the repository, with this build's programs.
Outcome run_in_shell(std::string command) {
  const std::string shown = "build/release/bin/";
  if (command.starts_with(shown)) command.erase(0, shown.size());
  Surroundings surroundings;
  surroundings.folder = ISTHMUS_SOURCE_DIR;
  surroundings.environment["PATH"] = isthmus_program().parent_path().string() + ":/usr/bin:/bin";
  return run_program({"/bin/bash", "-c", command}, surroundings);
}

TEST(Readme, EveryCommandDoesWhatItShows) {
  const std::string readme = text_of(std::filesystem::path(ISTHMUS_SOURCE_DIR) / "README.md");
  ASSERT_FALSE(readme.empty());
  int ran = 0;
  for (const Example& example : examples_of(readme)) {
    std::string output;
    bool whole = true;
    for (const std::string& command : example.commands) {
      if (!is_ours(command)) {
        whole = whole && (is_blank(command) || command.starts_with('#'));
        continue;
      }
      const Outcome outcome = run_in_shell(command);
      EXPECT_EQ(outcome.status, 0) << command << "\n" << outcome.err;
      output += outcome.out;
      ++ran;
    }
    if (example.shows_output && whole) {
      EXPECT_EQ(output, example.output) << example.commands.front();
    }
  }
  EXPECT_GT(ran, 0);
}

TEST(Readme, BlocksAreReadWithTheirOutput) {
  const auto examples = examples_of(
      "a\n```sh\nisthmus x \\\n  y\n# why\n```\n\n```text\nout\n```\n```sh\nls\n```\nb\n");
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[0].commands, (std::vector<std::string>{"isthmus x   y", "# why"}));
  EXPECT_EQ(examples[0].output, "out\n");
  EXPECT_FALSE(examples[1].shows_output);
}

}  // namespace
}  // namespace isthmus::testing_programs
