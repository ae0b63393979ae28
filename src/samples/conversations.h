// Conversations about pictures, as LLaVA publishes its data, and as chat logs hold them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "samples/sample.h"

namespace isthmus::samples {

// Where media are looked for, and what is done with entries that cannot be read.
struct ConversationOptions {
  std::filesystem::path folder;  // media paths are relative to it; empty: to the file's own folder
  std::string modality = "image";  // what the files under "image" are
};

// A JSON list of {"id", "image", "conversations": [{"from": "human"|"gpt"|"system", "value"}]}; an
// entry without "image" is text alone. Also "video", "audio", …: any one key of the known kinds of
// media, or "image" with a list of files. As OneLLM has them: "depth_image" and "normal_image" are
// maps of the scene under "image"; "imu_path" with "window_start" and "window_end" in seconds. In
// jsonl files the same entry stands on each line, or
// {"messages": [{"role", "content"}]} whose content is text, or parts as in requests.
// Only names and texts are kept in memory; media are opened when a sample is used. Throws
// InputError with file and place: not JSON, no list, an entry that is neither.
std::unique_ptr<DataSet> open_conversations(const std::filesystem::path& file,
                                            const ConversationOptions& options = {});

}  // namespace isthmus::samples
