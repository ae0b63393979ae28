// Fields that several APIs share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_view.h"
#include "protocol/exchange.h"

namespace isthmus::protocol {

// What a question is made of before its messages are read: defaults, deadline and names of the
// context.
serving::Question question_for(const Context& context);

// temperature, top_p, top_k, min_p, typical_p, repetition_penalty, presence_penalty,
// frequency_penalty, logit_bias and seed of `fields`, and the seed of a request that samples
// without one. `penalty`: what the API calls the repetition penalty.
void read_sampling(const JsonView& fields, const Context& context, GenerationConfig& generate,
                   std::string_view penalty = "repetition_penalty");
// A text or a list of texts that end an answer; what `generate` has when absent.
void read_stop(const JsonView& fields, std::string_view key, GenerationConfig& generate);
// The first of `keys` that is there, at least 1.
std::optional<int64_t> read_length(const JsonView& fields,
                                   std::initializer_list<std::string_view> keys);

// {"type": "text" | "json_object" | "json_schema", …}. Where the schema stands, `schema` tells:
// {"json_schema": {"schema": …}}, or {"schema": …} when false.
std::optional<serving::OutputForm> read_form(const JsonView& format, bool nested_schema);
serving::OutputForm form_of_schema(const JsonView& schema);
// Any JSON object.
serving::OutputForm form_of_object();
// Our own fields "grammar" (GBNF) and "aligner", and "template", beside those of any API.
void read_extensions(const JsonView& body, serving::Question& question);

// UsageError for a field that is there and not `neutral`: what it asks for is not done here.
void refuse_unless(const JsonView& body, std::string_view key, double neutral,
                   std::string_view instead);
// How many answers to a question; 1 where nothing is said.
int64_t read_answers(const JsonView& body, std::string_view key, const Context& context);
// `low` <= value <= `high`.
void require_between(const JsonView& fields, std::string_view key, double value, double low,
                     double high);

}  // namespace isthmus::protocol
