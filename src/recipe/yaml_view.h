// YAML that collects complaints, with file and line, instead of stopping at the first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <yaml-cpp/yaml.h>

namespace isthmus::recipe {

// What is said behind a wrong word: "; did you mean \"base\"?", or which there are; "" where none
// is.
std::string hint(std::string_view word, const std::vector<std::string>& known);

class Complaints {
 public:
  explicit Complaints(std::string source) : source_(std::move(source)) {}
  void add(const YAML::Node& node, const std::string& what);
  // Throws UsageError with all of them, if there are any.
  void raise() const;

 private:
  std::string source_;
  std::vector<std::string> all_;
};

// The keys of one mapping. Every read key is known; what is left over in the end is a complaint
// that names the nearest known key.
class MapView {
 public:
  // `path`: "stages[0].", in front of every key in complaints.
  MapView(YAML::Node node, std::string path, Complaints& complaints);

  YAML::Node at(std::string_view key);    // complains when it is absent
  YAML::Node find(std::string_view key);  // undefined when it is absent
  void read(std::string_view key, std::string& value);
  void read(std::string_view key, bool& value);
  void read(std::string_view key, double& value, double least = -1e300);
  void read(std::string_view key, int64_t& value, int64_t least = INT64_MIN);
  // One of the words, which are told when it is another.
  void read(std::string_view key, std::string& value, const std::vector<std::string>& words);
  void complain(std::string_view key, const std::string& what);
  // To be called when all keys were read.
  void finish();

  const std::string& path() const { return path_; }
  Complaints& complaints() { return complaints_; }

 private:
  template <typename T>
  void convert(std::string_view key, T& value, const char* expected);

  YAML::Node node_;
  std::string path_;
  Complaints& complaints_;
  std::vector<std::string> known_;
};

}  // namespace isthmus::recipe
