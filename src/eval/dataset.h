// Reads the files of captioning, question answering and classification data sets. Which layout a
// file has is told from its content:
//
//   COCO and Flickr30k in Karpathy's splits    {"images": [{"filename", "split", "sentences"}]}
//   COCO captions                              {"images": […], "annotations": [{"caption"}]}
//   Flickr30k                                  results_20130124.token, results.csv, and other csv
//   VQAv2, OK-VQA (and TextVQA, VizWiz in it)  {"questions": […]} and {"annotations":
//   [{"answers"}]} TextVQA                                    {"data": [{"question", "image_id",
//   "answers"}]} VizWiz                                     [{"image", "question", "answers"}]
//   Hateful Memes                              jsonl of {"img", "text", "label"}
//   one's own                                  jsonl of {"image", …}, see docs/formats.md
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/sample.h"
#include "samples/entries.h"

namespace isthmus::eval {

struct DatasetOptions {
  std::filesystem::path images = {};  // folder of the pictures; empty: that of the first file
  std::string split = {};             // "test" or "train", where one file holds several splits
  bool skip_broken = false;
};

struct Dataset {
  std::vector<Sample> samples;  // in the order of the file; the pictures need not exist
  TaskKind kind = TaskKind::kCaptioning;
  samples::BrokenEntries broken{false};
};

// `files`: one file, or the questions and the annotations of VQA in any order. InputError names the
// file, and the entry or line, of what cannot be read, or says that nothing is in it.
Dataset read_dataset(std::span<const std::filesystem::path> files, const DatasetOptions& options);

}  // namespace isthmus::eval
