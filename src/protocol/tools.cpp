#include "protocol/tools.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/ordered_json.h"
#include "protocol/object_text.h"

namespace isthmus::protocol {
namespace {

constexpr std::string_view kTemplate = "llava_hf_chatml";
constexpr size_t kMostTools = 128;  // OpenAI's

// Python's json.dumps, which is what tojson prints: a space behind colons and commas.
std::string dumped_as_python(const OrderedJson& json) {
  std::string out;
  if (json.is_object()) {
    for (const auto& [key, value] : json.items())
      out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", dumped_as_python(key),
                         dumped_as_python(value));
    return "{" + out + "}";
  }
  if (json.is_array()) {
    for (const OrderedJson& value : json)
      out += (out.empty() ? "" : ", ") + dumped_as_python(value);
    return "[" + out + "]";
  }
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

Tool read_tool(const JsonView& json, ToolsSpelling spelling) {
  const bool anthropic = spelling == ToolsSpelling::kAnthropic;
  const std::string type = json.string("type", anthropic ? "custom" : "function");
  json.require(type == (anthropic ? "custom" : "function"), "type",
               fmt::format("\"{}\" is not done here; tools are functions of the client's", type));
  const bool flat = anthropic || spelling == ToolsSpelling::kResponses;
  const JsonView function = flat ? json : json.at("function");
  const auto parameters = function.find(anthropic ? "input_schema" : "parameters");
  Tool tool;
  tool.name = function.string("name");
  function.require(!tool.name.empty(), "name", "is empty");
  OrderedJson schema = parameters ? parameters->raw() : OrderedJson{{"type", "object"}};
  if (!schema.is_object()) parameters->fail("expected a JSON schema");
  if (schema.contains("type") && schema["type"] != "object")
    parameters->fail("expected the schema of an object");
  OrderedJson told{{"name", tool.name}};
  if (function.contains("description")) told["description"] = function.string("description");
  told["parameters"] = schema;
  tool.parameters = schema.dump();
  tool.signature = dumped_as_python({{"type", "function"}, {"function", std::move(told)}});
  return tool;
}

// What the client says about calls, in one word: "none", "auto", "required", or "=NAME".
std::string choice_of(const JsonView& body, ToolsSpelling spelling) {
  auto choice = body.find("tool_choice");
  if (const auto options = body.find("options");
      !choice && options && spelling == ToolsSpelling::kOllama)
    choice = options->find("tool_choice");
  if (!choice) return "auto";
  std::string word;
  if (spelling == ToolsSpelling::kAnthropic) {
    word = choice->string("type");
    if (word == "any") return "required";
    if (word == "tool") return fmt::format("={}", choice->string("name"));
  } else if (choice->is_object()) {
    const std::string type = choice->string("type", "function");
    choice->require(type == "function", "type",
                    fmt::format("\"{}\" is not done here; name a function", type));
    const bool flat = spelling == ToolsSpelling::kResponses;
    return fmt::format("={}", (flat ? *choice : choice->at("function")).string("name"));
  } else {
    word = choice->as_string();
    if (word == "required") return word;
  }
  if (word != "none" && word != "auto")
    choice->fail(fmt::format("\"{}\" is no choice of tools", word));
  return word;
}

// {"name": …, "arguments": …} of one of the tools. References within a schema of parameters count
// from its root, so what they refer to becomes the root's.
std::string schema_of_call(const std::vector<Tool>& tools, const JsonView& body) {
  OrderedJson any = OrderedJson::array(), shared = OrderedJson::object();
  for (const Tool& tool : tools) {
    OrderedJson arguments = OrderedJson::parse(tool.parameters);
    arguments["type"] = "object";  // left open, it allows more
    for (const char* key : {"$defs", "definitions"}) {
      if (!arguments.contains(key)) continue;
      for (const auto& [name, definition] : arguments[key].items()) {
        body.require(!shared[key].contains(name) || shared[key][name] == definition, "tools",
                     fmt::format("{} has another meaning in each of two tools", name));
        shared[key][name] = definition;
      }
      arguments.erase(key);
    }
    any.push_back({{"type", "object"},
                   {"properties", {{"name", {{"const", tool.name}}}, {"arguments", arguments}}},
                   {"required", {"name", "arguments"}},
                   {"additionalProperties", false}});
  }
  OrderedJson schema = any.size() == 1 ? any.front() : OrderedJson{{"anyOf", std::move(any)}};
  schema.update(shared);
  return schema.dump();
}

}  // namespace

Context context_with_template(const Context& context, const std::string& name) {
  Context with = context;
  with.calls_tools = (name.empty() ? context.card.conversation_template : name) == kTemplate;
  return with;
}

ToolUse read_tools(const JsonView& body, const Context& context, ToolsSpelling spelling) {
  ToolUse use;
  if (const auto old = body.find("functions"))
    if (!old->elements().empty()) old->fail("is the old spelling; send tools");
  const std::string choice = choice_of(body, spelling);
  const auto tools = body.find("tools");
  if (!tools || tools->elements().empty()) return use;
  if (!context.calls_tools)
    tools->fail(fmt::format("the template of {} has no place for tools", context.card.name));
  for (const JsonView& tool : tools->elements()) use.tools.push_back(read_tool(tool, spelling));
  if (use.tools.size() > kMostTools) tools->fail(fmt::format("more than {} tools", kMostTools));
  if (choice == "none") return {};
  use.forced = choice != "auto";
  if (choice.starts_with('=')) {
    const auto named = std::ranges::find(use.tools, choice.substr(1), &Tool::name);
    body.require(named != use.tools.end(), "tool_choice",
                 fmt::format("there is no tool \"{}\"", choice.substr(1)));
    std::rotate(use.tools.begin(), named, named + 1);
    use.only_first = true;
  }
  return use;
}

void tell_tools(const ToolUse& use, serving::Question& question, const JsonView& body) {
  if (use.tools.empty()) return;
  std::string text =
      "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
      "You are provided with function signatures within <tools></tools> XML tags:\n<tools>";
  for (const Tool& tool : use.tools) text += "\n" + tool.signature;
  text +=
      "\n</tools>\n\nFor each function call, return a json object with function name and arguments "
      "within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, "
      "\"arguments\": <args-json-object>}\n</tool_call>";
  std::vector<Message>& messages = question.request.messages;
  if (messages.empty() || messages.front().role != "system")
    messages.insert(messages.begin(), {"system", {}});
  std::vector<Part>& system = messages.front().content;
  system.push_back(Part::of_text(system.empty() ? text : "\n\n" + text));
  if (!use.forced) return;
  body.require(!question.form, "tool_choice", "the answer has another form already");
  std::vector<Tool> allowed = use.tools;
  if (use.only_first) allowed.resize(1);
  question.form = {serving::OutputForm::Kind::kJsonSchema, schema_of_call(allowed, body)};
}

std::string call_as_text(const std::string& name, const JsonView& arguments) {
  OrderedJson json = arguments.raw();
  if (arguments.is_string()) json = parse_shallow(arguments.as_string());
  if (!json.is_object()) arguments.fail("expected a JSON object");
  return fmt::format("<tool_call>\n{{\"name\": {}, \"arguments\": {}}}\n</tool_call>",
                     dumped_as_python(name), dumped_as_python(json));
}

std::string result_as_text(const std::string& result) {
  return "<tool_response>\n" + result + "\n</tool_response>";
}

}  // namespace isthmus::protocol
