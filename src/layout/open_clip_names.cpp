#include "layout/open_clip_names.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::layout {
namespace {

constexpr std::string_view kDistributed = "module.", kVisual = "visual.";

constexpr std::array<std::string_view, 4> kPrefixes = {"visual.", "module.visual.", "", "module."};

constexpr std::array<std::string_view, 8> kOutsideNames = {
    "text_projection",      "logit_scale",      "logit_bias",     "attn_mask",
    "positional_embedding", "input_resolution", "context_length", "vocab_size"};
constexpr std::array<std::string_view, 6> kOutsideModules = {
    "transformer.", "token_embedding.", "ln_final.", "text.", "text_projection.", "text_decoder."};

// Names of the text tower beside `visual.`. A tower saved alone has a transformer and positions of
// its own, which are not the text's.
bool is_outside(std::string_view name, bool tower_alone) {
  if (name.starts_with(kDistributed)) name.remove_prefix(kDistributed.size());
  if (name.starts_with(kVisual)) return false;
  if (tower_alone && (name == "positional_embedding" || name.starts_with("transformer.")))
    return false;
  return std::ranges::find(kOutsideNames, name) != kOutsideNames.end() ||
         std::ranges::any_of(kOutsideModules,
                             [&](std::string_view module) { return name.starts_with(module); });
}

}  // namespace

std::string open_clip_prefix(const formats::Checkpoint& checkpoint) {
  for (const std::string_view prefix : kPrefixes) {
    const std::string text(prefix);
    if (checkpoint.contains(text + "conv1.weight") && checkpoint.contains(text + "class_embedding"))
      return text;
  }
  throw ModelError(
      fmt::format("{}: no vision transformer of open_clip in it (visual.conv1.weight, "
                  "visual.class_embedding)",
                  checkpoint.files().front().string()));
}

OpenClipNames open_clip_names(const formats::Checkpoint& checkpoint) {
  const std::string prefix = open_clip_prefix(checkpoint);
  const std::string block = "transformer.resblocks.{i}.attn.";
  const bool tower_alone = !prefix.ends_with(kVisual);
  return {formats::NameMap({
              {prefix + block + "in_proj_weight", "encoder." + block + "in_proj.weight"},
              {prefix + block + "in_proj_bias", "encoder." + block + "in_proj.bias"},
              {prefix + "{rest}", "encoder.{rest}"},
          }),
          [tower_alone](std::string_view name) { return is_outside(name, tower_alone); }};
}

}  // namespace isthmus::layout
