// The style and the script of the live page: page/live_page.css and page/live_page.js.
#pragma once

#include <string_view>

namespace isthmus::watch {

extern const std::string_view kLivePageStyle, kLivePageScript;

}  // namespace isthmus::watch
