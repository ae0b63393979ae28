#include "layout/flamingo_config.h"

#include <charconv>
#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "formats/bytes.h"
#include "isthmus/error.h"
#include "layout/config_checks.h"
#include "layout/flamingo_names.h"

namespace isthmus::layout {
namespace {

constexpr int64_t kFreshDepth = 6, kFreshHeads = 8, kFreshLatents = 64, kFreshFfMult = 4;

// The aligner's tensors by the names of the module tree, "resampler.latents".
class Tensors {
 public:
  explicit Tensors(const formats::Checkpoint& checkpoint)
      : file_(checkpoint.files().front().string()) {
    constexpr std::string_view kAligner = "aligner.";
    const FlamingoNames names = flamingo_names(checkpoint);
    for (const std::string& name : checkpoint.names()) {
      if (names.ignores(name)) continue;
      const auto module = names.map.to_module(name);
      if (module && module->name.starts_with(kAligner))
        tensors_[module->name.substr(kAligner.size())] = &checkpoint.at(name);
    }
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw ModelError(fmt::format("{}: {}", file_, what));
  }
  bool has(const std::string& name) const { return tensors_.contains(name); }
  // Of a tensor with `rank` dimensions of at least 1.
  const Shape& of(const std::string& name, size_t rank) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end())
      fail(fmt::format("holds no {}; is it the checkpoint of an OpenFlamingo model?", name));
    const Shape& shape = found->second->shape;
    bool good = shape.size() == rank;
    for (const int64_t size : shape) good = good && size >= 1 && size <= kMaxWidth;
    if (!good) wrong(name, fmt::format("{} dimensions of 1 to {}", rank, kMaxWidth));
    return shape;
  }
  void expect(const std::string& name, const Shape& expected) const {
    if (of(name, expected.size()) != expected) wrong(name, isthmus::to_string(expected));
  }
  [[noreturn]] void wrong(const std::string& name, const std::string& expected) const {
    const formats::RawTensor& tensor = *tensors_.at(name);
    fail(fmt::format("{} is {}, expected {}", formats::printable(tensor.name),
                     isthmus::to_string(tensor.shape), expected));
  }
  // The numbers that follow `prefix` in the names.
  std::set<int64_t> numbers_after(std::string_view prefix) const {
    std::set<int64_t> numbers;
    for (auto at = tensors_.lower_bound(std::string(prefix));
         at != tensors_.end() && at->first.starts_with(prefix); ++at) {
      int64_t number = 0;
      const char* begin = at->first.data() + prefix.size();
      const auto [end, error] = std::from_chars(begin, at->first.data() + at->first.size(), number);
      if (error != std::errc() || *end != '.' || number < 0 || number >= kMaxLayers)
        fail(fmt::format("{} is no layer's tensor", formats::printable(at->second->name)));
      numbers.insert(number);
    }
    return numbers;
  }

 private:
  std::string file_;
  std::map<std::string, const formats::RawTensor*> tensors_;
};

int64_t heads_of(const Tensors& tensors, const std::string& to_q) {
  const int64_t rows = tensors.of(to_q, 2)[0];
  if (rows % FlamingoConfig::kDimHead != 0)
    tensors.wrong(to_q, fmt::format("rows that are heads of {}", FlamingoConfig::kDimHead));
  return rows / FlamingoConfig::kDimHead;
}

ResamplerConfig read_resampler(const Tensors& tensors) {
  ResamplerConfig c{};
  const Shape& latents = tensors.of("resampler.latents", 2);
  c.num_latents = latents[0];
  c.dim = latents[1];
  const auto layers = tensors.numbers_after("resampler.layers.");
  c.depth = static_cast<int64_t>(layers.size());
  if (layers.empty() || *layers.rbegin() != c.depth - 1)
    tensors.fail(fmt::format("perceiver.layers are {}, expected 0, 1, 2, … without a gap",
                             fmt::join(layers, ", ")));
  c.dim_head = FlamingoConfig::kDimHead;
  c.heads = heads_of(tensors, "resampler.layers.0.0.to_q.weight");
  tensors.expect("resampler.layers.0.0.to_q.weight", {c.inner_dim(), c.dim});
  tensors.expect("resampler.layers.0.0.to_kv.weight", {2 * c.inner_dim(), c.dim});
  c.intermediate_size = tensors.of("resampler.layers.0.1.1.weight", 2)[0];
  if (tensors.has("resampler.frame_embs")) {
    c.max_num_frames = tensors.of("resampler.frame_embs", 2)[0];
    tensors.expect("resampler.frame_embs", {c.max_num_frames, c.dim});
  }
  if (tensors.has("resampler.media_time_embs")) {
    c.max_num_media = tensors.of("resampler.media_time_embs", 3)[0];
    tensors.expect("resampler.media_time_embs", {c.max_num_media, 1, c.dim});
  }
  return c;
}

}  // namespace

FlamingoConfig FlamingoConfig::fresh(int64_t vis_dim, int64_t lang_dim, int64_t num_hidden_layers,
                                     int64_t cross_attn_every_n_layers) {
  FlamingoConfig c{};
  c.resampler = {.dim = vis_dim,
                 .depth = kFreshDepth,
                 .heads = kFreshHeads,
                 .dim_head = kDimHead,
                 .num_latents = kFreshLatents,
                 .intermediate_size = kFreshFfMult * vis_dim,
                 .max_num_media = 0,
                 .max_num_frames = 0};
  c.cross_attention = {.lang_dim = lang_dim,
                       .vis_dim = vis_dim,
                       .heads = kFreshHeads,
                       .dim_head = kDimHead,
                       .intermediate_size = kFreshFfMult * lang_dim,
                       .only_attend_immediate_media = true};
  c.cross_attn_every_n_layers = cross_attn_every_n_layers;
  c.num_blocks = num_hidden_layers / cross_attn_every_n_layers;
  c.vision_ln_post = false;
  return c;
}

FlamingoConfig FlamingoConfig::read(const formats::Checkpoint& checkpoint) {
  const Tensors tensors(checkpoint);
  FlamingoConfig c{};
  c.resampler = read_resampler(tensors);
  const auto layers = tensors.numbers_after("cross_attention.");
  if (layers.empty())
    tensors.fail("holds no gated cross-attention blocks (gated_cross_attn_layer)");
  c.cross_attn_every_n_layers = *layers.begin() + 1;
  c.num_blocks = static_cast<int64_t>(layers.size());
  int64_t expected = -1;
  for (const int64_t layer : layers)
    if (layer != (expected += c.cross_attn_every_n_layers))
      tensors.fail(
          fmt::format("gated cross-attention blocks stand at layers {}: after the first, "
                      "one at {} was expected (cross_attn_every_n_layers {})",
                      fmt::join(layers, ", "), expected, c.cross_attn_every_n_layers));

  const std::string first = fmt::format("cross_attention.{}.", *layers.begin());
  CrossAttentionConfig& cross = c.cross_attention;
  cross.vis_dim = c.resampler.dim;
  cross.lang_dim = tensors.of(first + "attn.to_q.weight", 2)[1];
  cross.dim_head = kDimHead;
  cross.heads = heads_of(tensors, first + "attn.to_q.weight");
  tensors.expect(first + "attn.to_kv.weight", {2 * cross.inner_dim(), cross.vis_dim});
  cross.intermediate_size = tensors.of(first + "ff.1.weight", 2)[0];
  cross.only_attend_immediate_media = true;
  c.vision_ln_post = false;
  return c;
}

void FlamingoConfig::require_fits(int64_t num_hidden_layers, int64_t hidden_size,
                                  const std::string& checkpoint,
                                  const std::string& language_model) const {
  if (cross_attention.lang_dim != hidden_size)
    throw ModelError(fmt::format(
        "{}: was trained with a language model of width {}, {} has hidden_size {}. Is this the "
        "checkpoint of another model?",
        checkpoint, cross_attention.lang_dim, language_model, hidden_size));
  const int64_t expected = num_hidden_layers / cross_attn_every_n_layers;
  if (num_blocks != expected)
    throw ModelError(fmt::format(
        "{}: has {} gated cross-attention blocks, the last at layer {}; {} has {} layers, which "
        "makes {} blocks with cross_attn_every_n_layers {}. Is this the checkpoint of another "
        "model?",
        checkpoint, num_blocks, num_blocks * cross_attn_every_n_layers - 1, language_model,
        num_hidden_layers, expected, cross_attn_every_n_layers));
}

}  // namespace isthmus::layout
