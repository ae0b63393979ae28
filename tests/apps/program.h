// Runs the built programs as a user would, and helpers to make their input.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::testing_programs {

struct Outcome {
  int status = -1;  // exit status; 128 + n when signal n ended it
  std::string out, err;
  std::vector<std::string>
      pieces;  // what each write to standard output held, with Surroundings::keep_pieces
  double seconds = 0, cpu_seconds = 0;
};

struct Surroundings {
  std::map<std::string, std::string> environment =
      {};                             // besides our own; an empty value removes the variable
  std::string input = {};             // standard input, a pipe
  std::filesystem::path folder = {};  // working folder; empty: ours
  std::string output = {};            // a file for standard output, for example /dev/full
  bool keep_pieces = false;
};

// Starts `arguments[0]` and waits for it, two minutes at most.
Outcome run_program(const std::vector<std::string>& arguments,
                    const Surroundings& surroundings = {});

// The same for the `isthmus` of this build.
Outcome isthmus(std::vector<std::string> arguments, const Surroundings& surroundings = {});
std::filesystem::path isthmus_program();

std::filesystem::path fixture(const std::string& relative);  // below tests/fixtures/llava
std::filesystem::path demo(const std::string& relative);     // below demo/
// A folder of the running test's own, empty.
std::filesystem::path fresh_folder();
// `source` with all it holds copied to `folder`, writable; returns `folder`.
std::filesystem::path copy_of(const std::filesystem::path& source,
                              const std::filesystem::path& folder);

std::string text_of(const std::filesystem::path& file);
std::filesystem::path put_file(const std::filesystem::path& file, std::string_view content);
std::vector<std::string> lines_of(const std::string& text);

}  // namespace isthmus::testing_programs
