#include "protocol/content.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "protocol/data_uri.h"
#include "protocol/tools.h"

namespace isthmus::protocol {
namespace {

// A part that stands for one medium, and where its bytes are.
struct Spelling {
  std::string_view type, modality, key;
};

constexpr std::array kSpellings{
    Spelling{"image_url", "image", "image_url"},   Spelling{"input_image", "image", "image_url"},
    Spelling{"audio_url", "audio", "audio_url"},   Spelling{"video_url", "video", "video_url"},
    Spelling{"input_video", "video", "video_url"}, Spelling{"input_audio", "audio", "input_audio"},
};

// A URI, base64, or an object that holds one: {"url": …}, {"data": …, "format": …}.
std::vector<std::byte> read_payload(const JsonView& value, const Context& context) {
  if (!value.is_object()) return read_bytes(value, context);
  return read_bytes(value.contains("url") ? value.at("url") : value.at("data"), context);
}

Part of_bytes(std::string_view modality, std::vector<std::byte> bytes) {
  Part part = Part::of_media(std::string(modality), {});
  part.data = std::move(bytes);
  return part;
}

// Anthropic's {"type": "base64", "media_type": …, "data": …} or {"type": "url", "url": …}.
std::vector<std::byte> read_source(const JsonView& source, const Context& context) {
  const std::string type = source.string("type");
  if (type == "url") return read_bytes(source.at("url"), context);
  source.require(type == "base64", "type",
                 fmt::format("\"{}\" is not read here; send the file itself, as \"base64\"", type));
  return read_bytes(source.at("data"), context);
}

Part::Box read_box(const JsonView& crop) {
  const auto sides = crop.elements();
  if (sides.size() != 4) crop.fail("expected [top, left, height, width]");
  return {sides[0].as_integer(), sides[1].as_integer(), sides[2].as_integer(),
          sides[3].as_integer()};
}

Part read_medium(const JsonView& json, const std::string& modality, const Context& context) {
  Part part = of_bytes(modality, json.contains("source") ? read_source(json.at("source"), context)
                                                         : read_payload(json.at("data"), context));
  if (const auto rgb = json.find("rgb")) part.rgb_data = read_payload(*rgb, context);
  if (const auto mask = json.find("mask")) part.mask_data = read_payload(*mask, context);
  if (json.contains("start")) part.start = json.number("start");
  if (json.contains("end")) part.end = json.number("end");
  part.unit = json.string("unit", "");
  json.require(part.unit.empty() || part.unit == "m" || part.unit == "mm", "unit",
               fmt::format("expected m or mm, found \"{}\"", part.unit));
  if (const auto crop = json.find("crop")) part.crop = read_box(*crop);
  return part;
}

bool takes(const serving::Card& card, std::string_view modality) {
  return std::ranges::find(card.modalities, modality) != card.modalities.end();
}

void require_taken(const JsonView& json, const serving::Card& card, std::string_view modality) {
  if (takes(card, modality)) return;
  json.require(false, "type",
               card.modalities.empty()
                   ? fmt::format("{} takes text alone, no {}", card.name, modality)
                   : fmt::format("{} takes {} and text, no {}", card.name,
                                 fmt::join(card.modalities, ", "), modality));
}

// A call or a result stands on lines of its own.
void add_lines(std::vector<Part>& parts, const std::string& text) {
  parts.push_back(Part::of_text(parts.empty() ? text : "\n" + text));
}

// What a tool answered: a text, or a list of texts.
std::string text_of_result(const JsonView& content, const Context& context) {
  std::string text;
  for (const Part& part : read_content(content, context)) {
    if (part.type != Part::Type::kText) content.fail("tools answer with text alone here");
    text += part.text;
  }
  return text;
}

}  // namespace

Part read_part(const JsonView& json, const Context& context) {
  const serving::Card& card = context.card;
  const std::string type = json.string("type");
  if (type == "text" || type == "input_text" || type == "output_text")
    return Part::of_text(json.string("text"));
  if (type == "refusal") return Part::of_text(json.string("refusal"));
  for (const Spelling& spelling : kSpellings) {
    if (type != spelling.type) continue;
    require_taken(json, card, spelling.modality);
    return of_bytes(spelling.modality, read_payload(json.at(spelling.key), context));
  }
  json.require(type != "file" && type != "input_file" && type != "document", "type",
               "documents are not read here; send text and media");
  if (context.calls_tools && type == "tool_use")
    return Part::of_text(call_as_text(json.string("name"), json.at("input")));
  if (context.calls_tools && type == "tool_result") {
    const auto content = json.find("content");
    return Part::of_text(result_as_text(content ? text_of_result(*content, context) : ""));
  }
  json.require(!type.starts_with("tool") && !type.starts_with("function"), "type",
               fmt::format("{} calls no tools", card.name));
  require_taken(json, card, type);
  return read_medium(json, type, context);
}

std::vector<Part> read_content(const JsonView& content, const Context& context) {
  if (content.is_string()) return {Part::of_text(content.as_string())};
  if (!content.is_array()) content.fail("expected a text or a list of parts");
  std::vector<Part> parts;
  for (const JsonView& part : content.elements()) {
    parts.push_back(part.is_string() ? Part::of_text(part.as_string()) : read_part(part, context));
    const bool own_line = context.calls_tools && part.is_object() &&
                          part.string("type").starts_with("tool_") && parts.size() > 1;
    if (own_line) parts.back().text.insert(0, "\n");
  }
  return parts;
}

std::string read_role(const JsonView& message) {
  const std::string role = message.string("role");
  if (role == "developer") return "system";
  message.require(role != "tool" && role != "function", "role",
                  "no tools are called here, so none answers");
  message.require(role == "system" || role == "user" || role == "assistant", "role",
                  fmt::format("\"{}\" is none of system, user, assistant", role));
  return role;
}

void read_calls(const JsonView& message, const Context& context, std::vector<Part>& content) {
  const auto calls = message.find("tool_calls");
  if (!calls || calls->elements().empty()) return;
  if (!context.calls_tools) calls->fail("no tools are called here");
  for (const JsonView& call : calls->elements()) read_call(call.at("function"), context, content);
}

void read_call(const JsonView& call, const Context& context, std::vector<Part>& content) {
  if (!context.calls_tools) call.fail("no tools are called here");
  std::erase_if(content, [](const Part& part) {
    return part.type == Part::Type::kText && part.text.empty();
  });
  add_lines(content, call_as_text(call.string("name"), call.at("arguments")));
}

void read_output(const JsonView& output, const Context& context, bool after_result,
                 std::vector<Message>& messages) {
  if (!context.calls_tools) output.fail("no tools are called here, so none answers");
  const std::string text = result_as_text(text_of_result(output, context));
  if (!after_result) messages.push_back({"user", {}});
  add_lines(messages.back().content, text);
}

bool read_result(const JsonView& message, const Context& context, bool after_result,
                 std::vector<Message>& messages) {
  if (!context.calls_tools || message.string("role") != "tool") return false;
  read_output(message.at("content"), context, after_result, messages);
  return true;
}

std::vector<Message> read_messages(const JsonView& messages, const Context& context) {
  std::vector<Message> read;
  bool after_result = false;
  for (const JsonView& message : messages.elements()) {
    after_result = read_result(message, context, after_result, read);
    if (after_result) continue;
    std::vector<Part> content;
    const auto calls = message.find("tool_calls");
    const bool called = calls && !calls->elements().empty();
    if (!called || message.contains("content"))
      content = read_content(message.at("content"), context);
    read_calls(message, context, content);
    read.push_back({read_role(message), std::move(content)});
  }
  if (read.empty()) messages.fail("is empty");
  return read;
}

}  // namespace isthmus::protocol
