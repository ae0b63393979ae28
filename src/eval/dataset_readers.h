// The readers behind read_dataset, one for each way a file can be built.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "eval/dataset.h"
#include "eval/picture_folder.h"

namespace isthmus::eval {

// What the readers share while they fill a Dataset.
struct DatasetReading {
  const DatasetOptions& options;
  PictureFolder pictures;
  Dataset dataset;
  bool has_splits = false;  // the file says which split an example belongs to
};

// One or two JSON documents: COCO, Flickr30k in Karpathy's layout, all of VQA.
void read_documents(std::span<const std::filesystem::path> files, DatasetReading& reading);
// Captions as a table: image#n TAB caption, or csv with a header.
void read_caption_table(const std::filesystem::path& file, DatasetReading& reading);
// One JSON object a line: Hateful Memes, one's own.
void read_records(const std::filesystem::path& file, DatasetReading& reading);

// An identifier that is written as a number or as a string.
std::string identifier(const JsonView& json, std::string_view key);
// A list of strings, or of objects that hold one under `key`.
std::vector<std::string> texts_of(const JsonView& list, std::string_view key);

}  // namespace isthmus::eval
