// The report as one page that needs nothing else: no scripts, no files but large pictures.
#pragma once

#include <filesystem>
#include <string>

#include "eval/report.h"

namespace isthmus::eval {

// `folder`: where the page will lie; links to pictures are relative to it. All text from data sets
// and models is escaped. Well-formed also as XML.
std::string to_html(const Report& report, const std::filesystem::path& folder);

}  // namespace isthmus::eval
