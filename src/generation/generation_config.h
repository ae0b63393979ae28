// Reads the `generate` object of a request into the public isthmus::GenerationConfig.
#pragma once

#include <cstdint>
#include <map>

#include "base/json_view.h"
#include "isthmus/generation.h"

namespace isthmus::generation {

// Throws UsageError for a wrong type, a value out of range, or an unknown key.
GenerationConfig parse_generation_config(const JsonView& json);
// {"TOKEN ID": BIAS}. Throws ModelError for what is no id or no number.
std::map<int64_t, double> parse_logit_bias(const JsonView& json);
// The same checks for values that came from flags or code.
void check_generation_config(const GenerationConfig& config);

}  // namespace isthmus::generation
