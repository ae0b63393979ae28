// Reads the request format of docs/formats.md into isthmus::Request.
#include <algorithm>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/base64.h"
#include "base/json_view.h"
#include "generation/generation_config.h"
#include "isthmus/error.h"
#include "isthmus/input.h"

namespace isthmus {
namespace {

constexpr size_t kLongestRequest = size_t{256} << 20;  // media may be inside, as base64

void allow_only(const JsonView& json, std::initializer_list<std::string_view> keys) {
  for (const auto& [key, value] : json.members())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      value.fail(fmt::format("unknown field; known here are {}", fmt::join(keys, ", ")));
}

std::vector<std::byte> read_data(const JsonView& part, std::string_view key) {
  const std::string text = part.string(key);
  std::string_view payload = text;
  if (payload.starts_with("data:")) {
    const size_t comma = payload.find(',');
    if (comma == std::string_view::npos || !payload.substr(0, comma).ends_with(";base64"))
      part.at(key).fail("a data URI must be base64");
    payload.remove_prefix(comma + 1);
  }
  auto bytes = decode_base64(payload);
  if (!bytes) part.at(key).fail("is not base64");
  return std::move(*bytes);
}

Part parse_media(const JsonView& json, const std::string& type,
                 const std::filesystem::path& folder) {
  allow_only(json, {"type", "path", "data", "start", "end", "rgb", "rgb_data", "crop", "unit",
                    "mask", "mask_data"});
  json.require(json.contains("path") != json.contains("data"), "path", "give either path or data");
  const auto located = [&](std::string_view key) {
    const std::filesystem::path path = json.string(key);
    return path.is_absolute() ? path : folder / path;
  };
  Part part = Part::of_media(type, {});
  if (json.contains("data"))
    part.data = read_data(json, "data");
  else
    part.path = located("path");
  json.require(!json.contains("rgb") || !json.contains("rgb_data"), "rgb",
               "give either rgb or rgb_data");
  if (json.contains("rgb")) part.rgb = located("rgb");
  if (json.contains("rgb_data")) part.rgb_data = read_data(json, "rgb_data");
  json.require(!json.contains("mask") || !json.contains("mask_data"), "mask",
               "give either mask or mask_data");
  if (json.contains("mask")) part.mask = located("mask");
  if (json.contains("mask_data")) part.mask_data = read_data(json, "mask_data");
  part.unit = json.string("unit", "");
  if (json.contains("start")) part.start = json.number("start");
  if (json.contains("end")) part.end = json.number("end");
  if (const auto crop = json.find("crop")) {
    std::vector<int64_t> box;
    for (const JsonView& side : crop->elements()) box.push_back(side.as_integer());
    if (box.size() != 4) crop->fail("expected [top, left, height, width]");
    part.crop = Part::Box{box[0], box[1], box[2], box[3]};
  }
  return part;
}

Part parse_part(const JsonView& json, const std::filesystem::path& folder, bool literal) {
  const std::string type = json.string("type");
  if (type == "text") {
    allow_only(json, {"type", "text"});
    return Part::of_text(json.string("text"));
  }
  if (type == "token") {
    json.require(literal, "type",
                 "a special token may stand only in \"prompt\", never in a message");
    allow_only(json, {"type", "text"});
    return Part::of_token(json.string("text"));
  }
  json.require(!type.empty(), "type", "is empty");
  return parse_media(json, type, folder);  // which kinds there are, the model knows
}

std::vector<Part> parse_parts(const JsonView& json, const std::filesystem::path& folder,
                              bool literal) {
  if (json.is_string()) return {Part::of_text(json.as_string())};
  std::vector<Part> parts;
  for (const JsonView& part : json.elements()) parts.push_back(parse_part(part, folder, literal));
  return parts;
}

Request parse_request(const JsonView& json, const std::filesystem::path& folder) {
  allow_only(json, {"messages", "prompt", "prompt_ids", "template", "generate"});
  json.require(
      json.contains("messages") + json.contains("prompt") + json.contains("prompt_ids") == 1,
      "messages", "a request has either messages or prompt or prompt_ids");
  Request request;
  if (const auto ids = json.find("prompt_ids")) {
    for (const JsonView& id : ids->elements()) request.prompt_ids.push_back(id.as_integer());
    if (request.prompt_ids.empty()) ids->fail("is empty");
    json.require(!json.contains("template"), "template", "has no meaning beside a literal prompt");
  } else if (const auto prompt = json.find("prompt")) {
    request.prompt = parse_parts(*prompt, folder, true);
    json.require(!json.contains("template"), "template", "has no meaning beside a literal prompt");
    json.require(!request.prompt.empty(), "prompt", "is empty");
  } else {
    for (const JsonView& message : json.at("messages").elements()) {
      allow_only(message, {"role", "content"});
      const std::string role = message.string("role");
      message.require(role == "system" || role == "user" || role == "assistant", "role",
                      fmt::format("\"{}\" is none of system, user, assistant", role));
      request.messages.push_back({role, parse_parts(message.at("content"), folder, false)});
    }
    json.require(!request.messages.empty(), "messages", "is empty");
    request.conversation_template = json.string("template", "");
  }
  if (const auto generate = json.find("generate"))
    request.generate = generation::parse_generation_config(*generate);
  return request;
}

}  // namespace

Request Request::parse(const std::string& json, const std::string& source,
                       const std::filesystem::path& folder) {
  try {
    return parse_request(JsonView::parse(json, source), folder);
  } catch (const ModelError& error) {  // JsonView speaks of models; here the fault is in a request
    throw UsageError(error.what());
  }
}

Request Request::load(const std::filesystem::path& file) {
  return parse(read_file(file, kLongestRequest), file.string(), file.parent_path());
}

}  // namespace isthmus
