// Names of an open_clip checkpoint's vision tower: as published and as the module tree spells them.
//
// The module tree keeps the published names below `visual.`:
//   encoder.   conv1.weight, class_embedding, positional_embedding, ln_pre.{weight,bias},
//              transformer.resblocks.{i}.{ln_1, attn.in_proj, attn.out_proj, ln_2, mlp.c_fc,
//              mlp.c_proj}.{weight,bias}, ln_post.{weight,bias}, proj
// except that attn.in_proj_weight and attn.in_proj_bias belong to one linear layer, attn.in_proj.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "formats/checkpoint.h"
#include "formats/name_map.h"

namespace isthmus::layout {

// What `ignores` says of a file name is not part of the vision tower, whatever the map says: the
// text tower, logit_scale, and the sizes that OpenAI's archives keep as tensors.
struct OpenClipNames {
  formats::NameMap map;
  std::function<bool(std::string_view file_name)> ignores;
};

// What stands in front of the tower's names: "visual." as published, "" for a tower saved alone,
// "module.visual." or "module." from a data-parallel wrapper. Throws ModelError naming the file
// when there is no vision transformer in it.
std::string open_clip_prefix(const formats::Checkpoint& checkpoint);

OpenClipNames open_clip_names(const formats::Checkpoint& checkpoint);

}  // namespace isthmus::layout
