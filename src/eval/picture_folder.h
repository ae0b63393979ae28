// Where the pictures of a data set lie.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace isthmus::eval {

// A folder that holds pictures itself or in the subfolders that the published archives unpack to.
class PictureFolder {
 public:
  explicit PictureFolder(std::filesystem::path folder);
  // The first of `names` that exists in one of the folders; if none does, the first name in the
  // folder itself.
  std::filesystem::path find(std::span<const std::string> names);
  std::filesystem::path find(const std::string& name) { return find(std::span(&name, 1)); }

 private:
  std::vector<std::filesystem::path> folders_;
};

// File names of a picture of COCO by its number: COCO_val2014_000000000042.jpg if `subset` is
// "val2014"; without a subset all names it could have.
std::vector<std::string> coco_file_names(int64_t image_id, std::string subset);

}  // namespace isthmus::eval
