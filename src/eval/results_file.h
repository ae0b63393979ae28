// The results of one task at one number of shots and one seed, sample by sample, on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace isthmus::eval {

// What is kept of one sample. `place` is its index among the samples of the task.
struct Record {
  uint64_t place = 0;
  std::string id;
  std::string output;                       // as generated
  std::string prediction;                   // as scored
  std::vector<double> class_log_probs;      // classification only
  std::vector<std::string> demonstrations;  // ids
  std::string error;                        // not empty: why this sample has no result
};

// A file of JSON lines: a header with the settings, then one record a line in any order. Records
// are appended as they come, so that whoever kills the program loses one batch at most.
class ResultsFile {
 public:
  // Opens or begins the file. What an interruption left of a last line is cut off. UsageError if it
  // was begun with other settings (names the first that differs, and both values), or if another
  // program writes it; InputError if it is damaged (names the line).
  ResultsFile(std::filesystem::path path, const nlohmann::json& settings);
  ~ResultsFile();
  ResultsFile(const ResultsFile&) = delete;
  ResultsFile& operator=(const ResultsFile&) = delete;

  // Adds them all, or none and throws ResourceError (disk full): what was there stays readable.
  void append(std::vector<Record> records);
  // By place.
  const std::map<uint64_t, Record>& records() const { return records_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  void load(const nlohmann::json& settings);
  void write(const std::string& text);

  std::filesystem::path path_;
  int descriptor_ = -1;
  int64_t size_ = 0;  // of the whole lines
  std::map<uint64_t, Record> records_;
};

}  // namespace isthmus::eval
