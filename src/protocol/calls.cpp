#include "protocol/calls.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/ordered_json.h"

namespace isthmus::protocol {
namespace {

constexpr std::string_view kCall = "<tool_call>", kCallEnd = "</tool_call>";
constexpr std::string_view kSpace = " \n\r\t";

using Kind = Said::Kind;

// The longest end of `text` that may be the beginning of `tag`.
size_t begun_tag(std::string_view text, std::string_view tag) {
  for (size_t size = std::min(text.size(), tag.size() - 1); size > 0; --size)
    if (text.ends_with(tag.substr(0, size))) return size;
  return 0;
}

std::string_view without_space_behind(std::string_view text) {
  const size_t last = text.find_last_not_of(kSpace);
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

// Takes `words` from the front of `text`, with white space before each. False: they are not there,
// or not yet.
bool take_words(std::string_view& text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    if (!text.starts_with(word)) return false;
    text.remove_prefix(word.size());
  }
  return true;
}

// Takes the rest of a string of JSON, whose opening quote is gone.
std::optional<std::string> take_string(std::string_view& text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"') {
      const auto json = Json::parse("\"" + std::string(text.substr(0, i + 1)), nullptr,
                                    /*allow_exceptions=*/false);
      text.remove_prefix(i + 1);
      if (json.is_string()) return json.get<std::string>();
      return std::nullopt;
    }
  }
  return std::nullopt;
}

bool is_tool(const ToolUse& use, const std::string& name) {
  return std::ranges::find(use.tools, name, &Tool::name) != use.tools.end();
}

std::optional<ToolCall> parsed(const ToolUse& use, std::string_view text) {
  const OrderedJson json = parse_shallow(text);
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string()) return std::nullopt;
  const auto name = json["name"].get<std::string>();
  if (!is_tool(use, name)) return std::nullopt;
  const OrderedJson arguments =
      json.contains("arguments") ? json["arguments"] : OrderedJson::object();
  if (!arguments.is_object()) return std::nullopt;
  return ToolCall{name, arguments.dump(-1, ' ', false, OrderedJson::error_handler_t::replace),
                  /*complete=*/true};
}

void say(std::string_view text, std::vector<Said>& said) {
  if (!text.empty()) said.push_back({Kind::kText, std::string(text)});
}

void say(ToolCall call, std::vector<Said>& said) {
  said.push_back({Kind::kCall, std::move(call.name)});
  said.push_back({Kind::kArguments, std::move(call.arguments)});
  said.push_back({Kind::kCallEnd, ""});
}

}  // namespace

// {"name": "…", "arguments": {…}}, which is how the schema of a call has it.
std::vector<Said> CallFinder::take_forced() {
  std::vector<Said> said;
  if (stage_ == Stage::kName) {
    std::string_view text = held_;
    if (!take_words(text, {"{", "\"name\"", ":", "\""})) return said;
    const std::optional<std::string> name = take_string(text);
    if (!name || !is_tool(*use_, *name)) return said;
    said.push_back({Kind::kCall, *name});
    held_.erase(0, held_.size() - text.size());
    stage_ = Stage::kArguments;
  }
  if (stage_ == Stage::kArguments) {
    std::string_view text = held_;
    if (!take_words(text, {",", "\"arguments\"", ":", "{"})) return said;
    held_.erase(0, held_.size() - text.size() - 1);  // not the bracket
    stage_ = Stage::kInside;
  }
  if (stage_ == Stage::kInside) {
    const size_t size = arguments_.take(held_);
    if (size > 0) said.push_back({Kind::kArguments, held_.substr(0, size)});
    if (arguments_.ended()) said.push_back({Kind::kCallEnd, ""});
    if (arguments_.ended() || size < held_.size()) stage_ = Stage::kBehind;
  }
  held_.clear();
  return said;
}

std::vector<Said> CallFinder::take(std::string_view piece) {
  std::vector<Said> said;
  if (use_->tools.empty()) {
    say(piece, said);
    return said;
  }
  held_ += piece;
  if (use_->forced) return forced_ == Forced::kInPieces ? take_forced() : said;
  while (true) {
    if (!inside_) {
      const size_t begin = held_.find(kCall);
      if (begin == std::string::npos) {
        // White space goes with the call that may follow it.
        std::string_view text = held_;
        text.remove_suffix(begun_tag(text, kCall));
        text = without_space_behind(text);
        say(text, said);
        held_.erase(0, text.size());
        return said;
      }
      say(without_space_behind(std::string_view(held_).substr(0, begin)), said);
      held_.erase(0, begin);
      inside_ = true;
    }
    const size_t end = held_.find(kCallEnd);
    if (end == std::string::npos) return said;
    const std::string_view whole = std::string_view(held_).substr(0, end + kCallEnd.size());
    if (auto call = parsed(*use_, whole.substr(kCall.size(), end - kCall.size()))) {
      say(std::move(*call), said);
      called_ = true;
    } else {
      say(whole, said);
    }
    held_.erase(0, whole.size());
    inside_ = false;
  }
}

std::vector<Said> CallFinder::finish() {
  std::vector<Said> said;
  const std::string rest = std::exchange(held_, "");
  if (stage_ != Stage::kName || rest.empty() || (called_ && without_space_behind(rest).empty()))
    return said;
  // A model may end without closing its last call.
  std::string_view json = rest;
  if (inside_) json.remove_prefix(kCall.size());
  std::optional<ToolCall> call;
  if (inside_ || use_->forced) call = parsed(*use_, json);
  if (call)
    say(std::move(*call), said);
  else
    say(rest, said);
  return said;
}

void add_said(const std::vector<Said>& said, std::vector<Spoken>& spoken) {
  for (const Said& step : said) {
    if (step.kind == Kind::kText) {
      if (spoken.empty() || spoken.back().call) spoken.emplace_back();
      spoken.back().text += step.text;
    } else if (step.kind == Kind::kCall) {
      spoken.push_back({"", ToolCall{step.text, "", false}});
    } else if (step.kind == Kind::kArguments) {
      spoken.back().call->arguments += step.text;
    } else {
      spoken.back().call->complete = true;
    }
  }
}

std::vector<Spoken> spoken_in(const ToolUse& use, const std::string& answer,
                              CallFinder::Forced forced) {
  std::vector<Spoken> spoken;
  CallFinder finder(use, forced);
  add_said(finder.take(answer), spoken);
  add_said(finder.finish(), spoken);
  return spoken;
}

bool calls_tools(const std::vector<Spoken>& spoken) {
  bool calls = false;
  for (const Spoken& one : spoken) {
    if (one.call && !one.call->complete) return false;
    calls = calls || one.call;
  }
  return calls;
}

Json arguments_of(const ToolCall& call) {
  ObjectText text;
  text.take(call.arguments);
  Json json = Json::parse(text.closed(call.arguments), nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json::object();
}

}  // namespace isthmus::protocol
