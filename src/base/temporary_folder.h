// A folder below the system's one for temporary files.
#pragma once

#include <filesystem>
#include <string>

namespace isthmus {

// Gone with the object, with all it holds, unless it is kept. Throws ResourceError where it cannot
// be made.
class TemporaryFolder {
 public:
  // `name` begins the folder's own: "isthmus-model".
  explicit TemporaryFolder(const std::string& name);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // From here on whoever called this takes it away.
  const std::filesystem::path& keep();

 private:
  std::filesystem::path path_;
  bool kept_ = false;
};

}  // namespace isthmus
