// Tools that a model may call, and how they are told to it. calls.h finds its calls.
//
// The words are those of the ChatML models that were taught <tool_call> (Hermes 2 Pro, Qwen2.5), as
// the chat template of Qwen2.5 prints them; all of it is text, none of it special tokens.
#pragma once

#include <string>
#include <vector>

#include "base/json_view.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

struct Tool {
  std::string name, signature;  // signature: {"type": "function", "function": {…}}, as JSON text
  std::string parameters;       // a JSON schema
};

// OpenAI's responses have no "function" around a tool. Ollama's tools are those of OpenAI's chat,
// but its API has no choice of them: here it is one of the options, which its clients let through.
enum class ToolsSpelling { kOpenAi, kResponses, kAnthropic, kOllama };

struct ToolUse {
  std::vector<Tool> tools;  // none: the model is told of none
  bool forced = false;      // the answer is one call and nothing else, held to its parameters
  bool only_first = false;  // and it is of the first tool
};

// A context that knows whether the template of its request has a place for tools. `name`: of the
// template; empty: the model's own.
Context context_with_template(const Context& context, const std::string& name);

// tools and tool_choice. Throws UsageError where there are tools and the template has no place.
ToolUse read_tools(const JsonView& body, const Context& context, ToolsSpelling spelling);
// Tells `question` of them: in its system text, and in the form of its answer if it is forced.
void tell_tools(const ToolUse& use, serving::Question& question, const JsonView& body);

// What stands in an assistant's message for a call, in a user's for its result. `arguments`: an
// object, or JSON text of one.
std::string call_as_text(const std::string& name, const JsonView& arguments);
std::string result_as_text(const std::string& result);

}  // namespace isthmus::protocol
