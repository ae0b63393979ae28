#include "layout/lora_config.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "isthmus/error.h"
#include "layout/config_checks.h"

namespace isthmus::layout {

double LoraConfig::scaling() const {
  const auto r = static_cast<double>(rank);
  return lora_alpha / (use_rslora ? std::sqrt(r) : r);
}

LoraConfig LoraConfig::parse(const JsonView& json) {
  const auto refuse = [&](std::string_view key, std::string_view what) {
    throw UnsupportedError(fmt::format("{}: {}", key_path(json, key), what));
  };
  const std::string peft_type = json.string("peft_type", "LORA");
  if (peft_type != "LORA")
    refuse("peft_type", fmt::format("\"{}\" adapters are not supported (LORA is)", peft_type));
  if (json.boolean("use_dora", false)) refuse("use_dora", "DoRA is not supported");
  if (json.boolean("fan_in_fan_out", false)) refuse("fan_in_fan_out", "true is not supported");
  if (const auto bias = json.string("bias", "none"); bias != "none")
    refuse("bias", fmt::format("\"{}\" is not supported (none is)", bias));
  for (const char* key : {"rank_pattern", "alpha_pattern"})
    if (const auto pattern = json.find(key); pattern && !pattern->raw().empty())
      refuse(key, "ranks or alphas per layer are not supported");

  LoraConfig c{};
  c.rank = bounded(json, "r", kMaxWidth);
  c.lora_alpha = json.number("lora_alpha");
  c.use_rslora = json.boolean("use_rslora", false);
  c.lora_dropout = json.number("lora_dropout", 0);
  c.base_model_name_or_path = json.string("base_model_name_or_path", "");
  return c;
}

nlohmann::json LoraConfig::to_json(const std::set<std::string>& target_modules) const {
  nlohmann::json json{{"peft_type", "LORA"},
                      {"task_type", "CAUSAL_LM"},
                      {"auto_mapping", nullptr},
                      {"base_model_name_or_path", base_model_name_or_path},
                      {"revision", nullptr},
                      {"inference_mode", true},
                      {"r", rank},
                      {"lora_dropout", lora_dropout},
                      {"bias", "none"},
                      {"fan_in_fan_out", false},
                      {"init_lora_weights", true},
                      {"layers_pattern", nullptr},
                      {"layers_to_transform", nullptr},
                      {"modules_to_save", nullptr},
                      {"target_modules", target_modules}};
  // PEFT writes the number as it was given, and its type is int.
  if (lora_alpha == std::floor(lora_alpha))
    json["lora_alpha"] = static_cast<int64_t>(lora_alpha);
  else
    json["lora_alpha"] = lora_alpha;
  if (use_rslora) json["use_rslora"] = true;  // unknown to versions older than the option
  return json;
}

}  // namespace isthmus::layout
