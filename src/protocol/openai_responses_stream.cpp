#include "protocol/openai_responses_stream.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "protocol/server_sent_events.h"

namespace isthmus::protocol {

std::string ResponseStream::event(std::string_view type, Json fields) {
  Json data{{"type", type}, {"sequence_number", next_++}};
  data.update(fields);
  return sse(type, data);
}

Json ResponseStream::of_content() const {
  return {{"item_id", item_id_}, {"output_index", 0}, {"content_index", 0}};
}

std::string ResponseStream::begun(const Json& response) {
  const Json item{{"id", item_id_},
                  {"type", "message"},
                  {"status", "in_progress"},
                  {"role", "assistant"},
                  {"content", Json::array()}};
  Json part = of_content();
  part["part"] = {{"type", "output_text"}, {"text", ""}, {"annotations", Json::array()}};
  std::string out = event("response.created", {{"response", response}});
  out += event("response.in_progress", {{"response", response}});
  out += event("response.output_item.added", {{"output_index", 0}, {"item", item}});
  out += event("response.content_part.added", std::move(part));
  return out;
}

std::string ResponseStream::continued(const std::string& text, const Json& logprobs) {
  Json fields = of_content();
  fields["delta"] = text;
  fields["logprobs"] = logprobs;
  return event("response.output_text.delta", std::move(fields));
}

std::string ResponseStream::ended(const Json& item, const Json& response) {
  const Json& content = item.at("content").front();
  Json text = of_content(), part = of_content();
  text["text"] = content.at("text");
  text["logprobs"] = content.at("logprobs");
  part["part"] = content;
  const bool complete = response.at("status") == "completed";
  std::string out = event("response.output_text.done", std::move(text));
  out += event("response.content_part.done", std::move(part));
  out += event("response.output_item.done", {{"output_index", 0}, {"item", item}});
  out += event(complete ? "response.completed" : "response.incomplete", {{"response", response}});
  return out;
}

std::string ResponseStream::broken_off(Json response, const Failure& failure) {
  response["status"] = "failed";
  response["error"] = {{"code", "server_error"}, {"message", failure.message}};
  return event("response.failed", {{"response", std::move(response)}});
}

}  // namespace isthmus::protocol
