// Requests as text, answers as events.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "error_message.h"
#include "protocol/body.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

using Opener = std::unique_ptr<Exchange> (*)(const JsonView&, const Context&);

// A model that takes all that OneLLM takes.
inline Context context() {
  Context context;
  context.card.name = "onellm";
  context.card.family = "onellm";
  context.card.modalities = {"image", "video", "audio", "points", "depth", "normal", "imu", "fmri"};
  context.card.context_length = 2048;
  context.card.conversation_template = "onellm";
  context.id = "id1";
  context.created = 1700000000;
  context.fresh_seed = 77;
  return context;
}

inline std::unique_ptr<Exchange> opened(Opener open, std::string_view body,
                                        const Context& with = context()) {
  std::unique_ptr<Exchange> exchange;
  const JsonView json = parse_body(body);
  reading_a_request([&] { exchange = open(json, with); });
  return exchange;
}

// What is wrong with a body.
inline std::string complaint(Opener open, const std::string& body,
                             const Context& with = context()) {
  return message_of<UsageError>([&] { opened(open, body, with); });
}

inline serving::Finished finished(int64_t answer, const std::string& reason, int64_t tokens,
                                  const std::string& stop_string = "") {
  serving::Finished end{answer, reason, stop_string, {}};
  end.timings.generated_tokens = tokens;
  end.timings.prefill = 0.5;
  end.timings.decode = 0.25;
  return end;
}

// The tokens " a" and, of two bytes that are no character alone, the first.
inline std::vector<serving::Token> two_tokens() {
  return {{{5, " a", -0.5}, {{5, " a", -0.5}, {6, " b", -1.5}}},
          {{7, "\xc3", -0.25}, {{7, "\xc3", -0.25}}}};
}

inline std::string take_all(Exchange& exchange, const std::vector<serving::Event>& events) {
  std::string out;
  for (const serving::Event& event : events) out += exchange.take(0, event);
  return out;
}

// All that a stream says.
inline std::string streamed(Exchange& exchange, const std::vector<serving::Event>& events) {
  std::string out = take_all(exchange, events);
  out += exchange.last();  // behind the events: it looks back on them
  return out;
}

// The usual course of an answer in two pieces.
inline std::vector<serving::Event> hello() {
  return {serving::Admitted{12, 4}, serving::Piece{0, "Hel", {}}, serving::Piece{0, "lo", {}},
          finished(0, "eos", 3)};
}

struct SseEvent {
  std::string name;
  std::string data;
  nlohmann::json json() const { return nlohmann::json::parse(data); }
};

inline std::vector<SseEvent> sse_events(const std::string& stream) {
  std::vector<SseEvent> events;
  for (size_t at = 0; at < stream.size();) {
    const size_t end = stream.find("\n\n", at);
    SseEvent event;
    for (size_t line = at; line < end;) {
      const size_t line_end = std::min(stream.find('\n', line), end);
      const std::string text = stream.substr(line, line_end - line);
      if (text.starts_with("event: ")) event.name = text.substr(7);
      if (text.starts_with("data: ")) event.data = text.substr(6);
      line = line_end + 1;
    }
    events.push_back(event);
    if (end == std::string::npos) break;
    at = end + 2;
  }
  return events;
}

inline std::vector<nlohmann::json> lines(const std::string& text) {
  std::vector<nlohmann::json> all;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    all.push_back(nlohmann::json::parse(text.substr(at, end - at)));
    at = end + 1;
  }
  return all;
}

}  // namespace isthmus::protocol
