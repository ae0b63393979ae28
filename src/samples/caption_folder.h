// A folder of files and a table of what they show.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "samples/sample.h"

namespace isthmus::samples {

// csv with a header: the column "file" (relative to the table's folder), "caption", and perhaps
// "modality" (image if there is none). Fields may stand in double quotes, in which "" is a quote
// and line breaks count. Every row is a document of the medium and its caption. Throws InputError
// naming file and line: no such columns, a row with another number of fields, an open quote.
std::unique_ptr<DataSet> open_caption_folder(const std::filesystem::path& table);

}  // namespace isthmus::samples
