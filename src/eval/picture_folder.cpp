#include "eval/picture_folder.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace isthmus::eval {

PictureFolder::PictureFolder(std::filesystem::path folder) {
  constexpr std::array subfolders{"train2014",
                                  "val2014",
                                  "test2015",
                                  "train2017",
                                  "val2017",
                                  "images",
                                  "flickr30k-images",
                                  "flickr30k_images",
                                  "train_images",
                                  "test_images",
                                  "train",
                                  "val",
                                  "test",
                                  "img"};
  std::error_code ignored;
  folders_.push_back(folder);
  for (const char* subfolder : subfolders)
    if (std::filesystem::is_directory(folder / subfolder, ignored))
      folders_.push_back(folder / subfolder);
}

std::filesystem::path PictureFolder::find(std::span<const std::string> names) {
  std::error_code ignored;
  for (const std::string& name : names)
    for (const auto& folder : folders_)
      if (auto path = folder / name; std::filesystem::exists(path, ignored)) return path;
  return folders_.front() / names.front();
}

std::vector<std::string> coco_file_names(int64_t image_id, std::string subset) {
  // The questions of test-dev2015 are a part of those about the pictures of test2015.
  if (subset.starts_with("test-dev")) subset.erase(4, 4);
  std::vector<std::string> names;
  if (!subset.empty()) return {fmt::format("COCO_{}_{:012}.jpg", subset, image_id)};
  for (const char* known : {"val2014", "train2014", "test2015"})
    names.push_back(fmt::format("COCO_{}_{:012}.jpg", known, image_id));
  names.push_back(fmt::format("{:012}.jpg", image_id));
  return names;
}

}  // namespace isthmus::eval
