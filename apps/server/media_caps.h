// Media too large to be looked at, told from their headers before anything is decoded.
#pragma once

#include <span>

#include "serving/service.h"
#include "settings.h"

namespace isthmus::server {

// UsageError naming the medium, what it is and what is allowed. A medium that cannot be read
// passes: whoever decodes it says what is wrong.
void check_media(std::span<const serving::Question> questions, const MediaCaps& caps);
void check_media(const Request& request, const MediaCaps& caps);
void check_media(std::span<const Part> parts, const MediaCaps& caps);

}  // namespace isthmus::server
