// Media of one kind with a caption each, as OneLLM's alignment stages list them.
//   Han et al. 2024 (arXiv 2312.03700); data/pretrain_dataset.py
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "samples/sample.h"

namespace isthmus::samples {

struct ModalityCaptionOptions {
  std::string modality = "image";  // of all files
  std::filesystem::path folder;    // media paths are relative to it; empty: to the list's folder
};

// A table with tabs between its columns and the header names `caption` and `url` among them (for
// depth and normal maps also `rgb`, the picture of the same scene); or, where the file is JSON, a
// list of {"text", "video_uid", "window_start", "window_end"}: pieces, in seconds, of the motion
// recordings VIDEO_UID.npy. A sample is a document of its medium and its caption. Throws
// InputError with file and line.
std::unique_ptr<DataSet> open_modality_captions(const std::filesystem::path& list,
                                                const ModalityCaptionOptions& options = {});

}  // namespace isthmus::samples
