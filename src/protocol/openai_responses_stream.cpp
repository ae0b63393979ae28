#include "protocol/openai_responses_stream.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "protocol/server_sent_events.h"

namespace isthmus::protocol {
namespace {

std::string item_id(const std::string& id, size_t index, const Spoken& spoken) {
  return fmt::format("{}_{}_{}", spoken.call ? "fc" : "msg", id, index);
}

}  // namespace

Json response_item(const std::string& id, size_t index, const Spoken& spoken,
                   std::string_view status, const Json& logprobs) {
  Json item{{"id", item_id(id, index, spoken)},
            {"type", spoken.call ? "function_call" : "message"},
            {"status", status}};
  if (spoken.call) {
    item["call_id"] = fmt::format("call_{}_{}", id, index);
    item["name"] = spoken.call->name;
    item["arguments"] = spoken.call->arguments;
  } else {
    item["role"] = "assistant";
    item["content"] = Json::array({{{"type", "output_text"},
                                    {"text", spoken.text},
                                    {"annotations", Json::array()},
                                    {"logprobs", logprobs}}});
  }
  return item;
}

std::string ResponseStream::event(std::string_view type, Json fields) {
  Json data{{"type", type}, {"sequence_number", next_++}};
  data.update(fields);
  return sse(type, data);
}

Json ResponseStream::of_item() const {
  const size_t index = items_.size() - 1;
  return {{"item_id", item_id(id_, index, items_.back())}, {"output_index", index}};
}

Json ResponseStream::of_content() const {
  Json fields = of_item();
  fields["content_index"] = 0;
  return fields;
}

std::string ResponseStream::begun(const Json& response) {
  std::string out = event("response.created", {{"response", response}});
  return out.append(event("response.in_progress", {{"response", response}}));
}

std::string ResponseStream::opened() {
  is_open_ = true;
  const size_t index = items_.size() - 1;
  Json item = response_item(id_, index, items_.back(), "in_progress", Json::array());
  if (!items_.back().call) item["content"] = Json::array();
  std::string out =
      event("response.output_item.added", {{"output_index", index}, {"item", std::move(item)}});
  if (items_.back().call) return out;
  Json part = of_content();
  part["part"] = {{"type", "output_text"}, {"text", ""}, {"annotations", Json::array()}};
  return out + event("response.content_part.added", std::move(part));
}

std::string ResponseStream::closed(const Json& item) {
  is_open_ = false;
  std::string out;
  if (items_.back().call) {
    Json done = of_item();
    done["name"] = item.at("name");
    done["arguments"] = item.at("arguments");
    out = event("response.function_call_arguments.done", std::move(done));
  } else {
    const Json& content = item.at("content").front();
    Json text = of_content(), part = of_content();
    text["text"] = content.at("text");
    text["logprobs"] = content.at("logprobs");
    part["part"] = content;
    out = event("response.output_text.done", std::move(text));
    out += event("response.content_part.done", std::move(part));
  }
  return out +
         event("response.output_item.done", {{"output_index", items_.size() - 1}, {"item", item}});
}

std::string ResponseStream::continued(const std::vector<Said>& said, const Json& logprobs) {
  std::string out;
  const auto close = [&] {
    if (is_open_)
      out +=
          closed(response_item(id_, items_.size() - 1, items_.back(), "completed", Json::array()));
  };
  for (const Said& step : said) {
    const bool call = step.kind == Said::Kind::kCall;
    const bool text = step.kind == Said::Kind::kText;
    if (call || (text && (items_.empty() || items_.back().call))) {
      close();
      items_.emplace_back();
      if (call) items_.back().call = ToolCall{step.text, "", false};
      out += opened();
    }
    if (call) continue;
    add_said({step}, items_);
    if (step.kind == Said::Kind::kCallEnd) {
      close();
      continue;
    }
    Json fields = text ? of_content() : of_item();
    fields["delta"] = step.text;
    if (text) fields["logprobs"] = logprobs;
    out += event(text ? "response.output_text.delta" : "response.function_call_arguments.delta",
                 std::move(fields));
  }
  return out;
}

std::string ResponseStream::ended(const Json& response) {
  std::string out;
  if (items_.empty()) {
    items_.emplace_back();
    out = opened();
  }
  if (is_open_) out += closed(response.at("output").back());
  const bool complete = response.at("status") == "completed";
  return out +
         event(complete ? "response.completed" : "response.incomplete", {{"response", response}});
}

std::string ResponseStream::broken_off(Json response, const Failure& failure) {
  response["status"] = "failed";
  response["error"] = {{"code", "server_error"}, {"message", failure.message}};
  return event("response.failed", {{"response", std::move(response)}});
}

}  // namespace isthmus::protocol
