// Messages and their parts, as all APIs write them.
#pragma once

#include <string>
#include <vector>

#include "base/json_view.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

// A string, or a list of parts. One table for all APIs, for none of them gives another's word a
// meaning of its own:
//   text, input_text, output_text                              {"text"}
//   image_url, input_image            {"image_url": URI, or {"url": URI}}
//   audio_url, video_url, input_video {"audio_url", "video_url": likewise}
//   input_audio                       {"input_audio": {"data", "format"}}
//   image                             {"source": {"type": "base64", "media_type", "data"}, or
//                                                {"type": "url", "url"}}
//   image, audio, video, points, depth, normal, imu, fmri, and any other kind the model knows
//                                     {"data", "start", "end", "rgb", "mask", "unit", "crop"}
// Text is text: it never becomes a special token or a medium by spelling one.
std::vector<Part> read_content(const JsonView& content, const Context& context);
Part read_part(const JsonView& part, const Context& context);

// Of a request's messages; "developer" speaks as "system". Consecutive texts of one message stay
// apart. What calls or answers a tool becomes the text that the template has for it, the answers of
// one turn together, and is refused where the template has none.
std::vector<Message> read_messages(const JsonView& messages, const Context& context);
// The same of what an API reads in its own way: the calls of an assistant's message are added to
// `content`; whether a message is the answer of a tool, and that answer added to `messages`.
void read_calls(const JsonView& message, const Context& context, std::vector<Part>& content);
bool read_result(const JsonView& message, const Context& context, bool after_result,
                 std::vector<Message>& messages);
// The same of a call and of an answer that stand for themselves, OpenAI's items.
void read_call(const JsonView& call, const Context& context, std::vector<Part>& content);
void read_output(const JsonView& output, const Context& context, bool after_result,
                 std::vector<Message>& messages);
// The role of a message in our words.
std::string read_role(const JsonView& message);

}  // namespace isthmus::protocol
