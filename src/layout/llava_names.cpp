#include "layout/llava_names.h"

#include <algorithm>
#include <utility>

namespace isthmus::layout {

namespace {

// Buffers that files older than 2024 carry; they are computed, not learned.
bool is_position_buffer(std::string_view name) {
  return name.ends_with(".rotary_emb.inv_freq") || name.ends_with(".embeddings.position_ids");
}

bool is_outside_vision_model(std::string_view name) {
  return is_position_buffer(name) || name.starts_with("text_model.") || name == "logit_scale" ||
         name == "text_projection.weight" || name == "visual_projection.weight";
}

bool is_nested(const formats::Checkpoint& checkpoint) {
  return std::ranges::any_of(checkpoint.names(), [](const std::string& name) {
    return name.starts_with("model.language_model.") || name.starts_with("model.vision_tower.") ||
           name.starts_with("model.multi_modal_projector.");
  });
}

}  // namespace

LlavaNames original_names(const std::string& prefix) {
  return {formats::NameMap({
              {prefix + "lm_head.weight", "decoder.lm_head.weight"},
              {prefix + "model.embed_tokens.weight", "decoder.embed_tokens.weight"},
              {prefix + "model.norm.weight", "decoder.norm.weight"},
              {prefix + "model.layers.{i}.{rest}", "decoder.layers.{i}.{rest}"},
              {prefix + "model.mm_projector.{rest}", "aligner.projector.{rest}"},
              {prefix + "model.image_newline", "aligner.image_newline"},
              {prefix + "model.vision_tower.vision_tower.vision_model.{rest}", "encoder.{rest}"},
          }),
          is_position_buffer};
}

LlavaNames vision_tower_names() {
  std::vector<formats::NameRule> rules;
  rules.push_back({"vision_model.{rest}", "encoder.{rest}"});
  return {formats::NameMap(std::move(rules)), is_outside_vision_model};
}

LlavaNames hugging_face_names(bool nested_under_model) {
  const std::string outer = nested_under_model ? "model." : "";
  const std::string decoder =
      nested_under_model ? "model.language_model." : "language_model.model.";
  const std::string head = nested_under_model ? "lm_head.weight" : "language_model.lm_head.weight";
  return {formats::NameMap({
              {head, "decoder.lm_head.weight"},
              {decoder + "embed_tokens.weight", "decoder.embed_tokens.weight"},
              {decoder + "norm.weight", "decoder.norm.weight"},
              {decoder + "layers.{i}.{rest}", "decoder.layers.{i}.{rest}"},
              // The two linear layers stand where nn.Sequential(linear, gelu, linear) has them.
              {outer + "multi_modal_projector.linear_1.{rest}", "aligner.projector.0.{rest}"},
              {outer + "multi_modal_projector.linear_2.{rest}", "aligner.projector.2.{rest}"},
              {outer + "image_newline", "aligner.image_newline"},
              {outer + "vision_tower.vision_model.{rest}", "encoder.{rest}"},
          }),
          is_position_buffer};
}

LlavaNames adapter_names() {
  return {formats::NameMap({
              {"base_model.model.model.layers.{i}.{rest}", "decoder.layers.{i}.{rest}"},
              {"base_model.model.lm_head.{rest}", "decoder.lm_head.{rest}"},
          }),
          is_position_buffer};
}

LlavaNames names_for(LlavaLayout layout, const formats::Checkpoint& checkpoint) {
  if (layout == LlavaLayout::kOriginal) return original_names();
  return hugging_face_names(is_nested(checkpoint));
}

std::vector<std::string> strip_non_lora_prefixes(std::span<const std::string> names) {
  constexpr std::string_view kPeft = "base_model.", kModel = "model.", kTwice = "model.model.";
  std::vector<std::string> stripped;
  for (const std::string& name : names)
    stripped.push_back(name.starts_with(kPeft) ? name.substr(kPeft.size()) : name);
  const auto is_twice = [&](const std::string& name) { return name.starts_with(kTwice); };
  if (!std::ranges::any_of(stripped, is_twice)) return stripped;
  for (std::string& name : stripped)
    if (name.starts_with(kModel)) name.erase(0, kModel.size());
  return stripped;
}

LlavaNames non_lora_names(std::span<const std::string> names) {
  if (names.empty()) return original_names();
  const std::string& first = names.front();
  return original_names(
      first.substr(0, first.size() - strip_non_lora_prefixes(names).front().size()));
}

bool holds_vision_tower(LlavaLayout layout, const formats::Checkpoint& checkpoint) {
  const LlavaNames names = names_for(layout, checkpoint);
  return std::ranges::any_of(checkpoint.names(), [&](const std::string& name) {
    if (names.ignores(name)) return false;
    const auto mapped = names.map.to_module(name);
    return mapped && mapped->name.starts_with("encoder.");
  });
}

}  // namespace isthmus::layout
