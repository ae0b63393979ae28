// The table behind find_template().
#pragma once

#include <span>

#include "text/conversation.h"

namespace isthmus::text {

std::span<const ConversationTemplate> conversation_table();

}  // namespace isthmus::text
