#include "layout/open_clip_config.h"

#include <cmath>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "formats/bytes.h"
#include "isthmus/error.h"
#include "layout/config_checks.h"
#include "layout/open_clip_names.h"

namespace isthmus::layout {
namespace {

constexpr int64_t kHeadWidth = 64;  // where no config says otherwise, as for every OpenAI model
constexpr double kMlpRatio = 4.0;
constexpr double kTorchLayerNormEps = 1e-5;  // torch.nn.LayerNorm's own

// The tower's tensors, whatever stands in front of their names.
class Shapes {
 public:
  explicit Shapes(const formats::Checkpoint& checkpoint)
      : checkpoint_(checkpoint), prefix_(open_clip_prefix(checkpoint)) {}

  const formats::RawTensor& at(const std::string& name) const {
    return checkpoint_.at(prefix_ + name);
  }
  // Of a tensor with `rank` dimensions, each at least 1 and at most `limit`.
  const Shape& of(const std::string& name, size_t rank, int64_t limit = kMaxWidth) const {
    const formats::RawTensor& tensor = at(name);
    bool good = tensor.shape.size() == rank;
    for (const int64_t size : tensor.shape) good = good && size >= 1 && size <= limit;
    if (!good) fail(name, fmt::format("expected {} dimensions of 1 to {}", rank, limit));
    return tensor.shape;
  }
  [[noreturn]] void fail(const std::string& name, const std::string& what) const {
    const formats::RawTensor& tensor = at(name);
    throw ModelError(fmt::format("{}: {} is {}, {}", tensor.file, formats::printable(tensor.name),
                                 to_string(tensor.shape), what));
  }
  int64_t layers() const {
    int64_t count = 0;
    while (count < kMaxLayers &&
           checkpoint_.contains(prefix_ + block(count) + "attn.in_proj_weight"))
      ++count;
    if (count == 0) at(block(0) + "attn.in_proj_weight");
    return count;
  }
  static std::string block(int64_t layer) {
    return fmt::format("transformer.resblocks.{}.", layer);
  }
  // OpenAI's archives keep these beside the weights; nobody else's files do.
  bool are_openai() const { return checkpoint_.contains("input_resolution"); }

 private:
  const formats::Checkpoint& checkpoint_;
  std::string prefix_;
};

OpenClipVisionConfig from_shapes(const Shapes& shapes) {
  OpenClipVisionConfig c{};
  const Shape& conv = shapes.of("conv1.weight", 4);
  if (conv[1] != 3 || conv[2] != conv[3])
    shapes.fail("conv1.weight", "expected [width, 3, patch, patch]");
  c.width = conv[0];
  c.patch_size = conv[2];
  const Shape& positions = shapes.of("positional_embedding", 2, kMaxPositions);
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(positions[0] - 1)));
  if (positions[1] != c.width || side < 1 || side * side != positions[0] - 1)
    shapes.fail("positional_embedding",
                fmt::format("expected [1 + a square of patches, {}] (width {})", c.width, c.width));
  c.image_size = side * c.patch_size;
  if (c.image_size > kMaxImageSize)
    shapes.fail("positional_embedding",
                fmt::format("an image of {} pixels a side: no such model exists", c.image_size));
  c.layers = shapes.layers();
  const std::string first = Shapes::block(0);
  const Shape& qkv = shapes.of(first + "attn.in_proj_weight", 2);
  if (qkv[0] != 3 * c.width || qkv[1] != c.width)
    shapes.fail(first + "attn.in_proj_weight",
                fmt::format("expected [{}, {}] (width {})", 3 * c.width, c.width, c.width));
  c.intermediate_size = shapes.of(first + "mlp.c_fc.weight", 2)[0];
  const Shape& proj = shapes.of("proj", 2);
  if (proj[0] != c.width)
    shapes.fail("proj", fmt::format("expected [{}, embed_dim] (width {})", c.width, c.width));
  c.embed_dim = proj[1];
  c.activation = Activation::kQuickGelu;
  c.layer_norm_eps = kTorchLayerNormEps;
  return c;
}

void require_same(const JsonView& json, std::string_view key, int64_t stated, int64_t found,
                  const std::string& tensor) {
  json.require(stated == found, key,
               fmt::format("is {}, but {} makes it {}", stated, tensor, found));
}

// image_size and patch_size may be a number or [height, width].
int64_t side_of(const JsonView& json, std::string_view key, int64_t fallback) {
  const auto value = json.find(key);
  if (!value || !value->is_array()) return bounded(json, key, kMaxImageSize, fallback);
  const auto sides = value->elements();
  if (sides.size() != 2 || sides[0].as_integer() != sides[1].as_integer())
    throw UnsupportedError(
        fmt::format("{}: only square images and patches are read", value->where()));
  return sides[0].as_integer();
}

// Keys that change what the tower computes and that no model of this family sets.
void refuse_variants(const JsonView& vision) {
  for (const std::string_view key : {"timm_model_name", "attentional_pool", "global_average_pool",
                                     "input_patchnorm", "no_ln_pre"}) {
    const auto value = vision.find(key);
    if (value && !(value->is_boolean() && !value->as_boolean()))
      throw UnsupportedError(
          fmt::format("{}: only CLIP's own vision transformer is read", value->where()));
  }
  const auto layers = vision.find("layers");
  if (layers && layers->is_array())
    throw UnsupportedError(fmt::format(
        "{}: a list of stages: a ResNet; only vision transformers are read", layers->where()));
}

// Fills in what shapes do not tell and holds the rest against them. Defaults are those of
// open_clip's CLIPVisionCfg (ViT-B/16).
int64_t apply_config(OpenClipVisionConfig& c, const JsonView& json) {
  const JsonView vision = json.at("vision_cfg");
  refuse_variants(vision);
  require_same(vision, "width", bounded(vision, "width", kMaxWidth, 768), c.width, "conv1.weight");
  require_same(vision, "layers", bounded(vision, "layers", kMaxLayers, 12), c.layers,
               "the number of transformer.resblocks");
  require_same(vision, "patch_size", side_of(vision, "patch_size", 16), c.patch_size,
               "conv1.weight");
  // An image that is no multiple of the patch size leaves a rest that a convolution ignores.
  const int64_t image_size = side_of(vision, "image_size", 224);
  require_same(vision, "image_size", image_size / c.patch_size * c.patch_size, c.image_size,
               "positional_embedding");
  c.image_size = image_size;
  const double ratio = vision.number("mlp_ratio", kMlpRatio);
  vision.require(ratio > 0 && ratio < 64, "mlp_ratio", "expected a number in (0, 64)");
  vision.require(static_cast<int64_t>(static_cast<double>(c.width) * ratio) == c.intermediate_size,
                 "mlp_ratio",
                 fmt::format("{} times width {} is not {}, the rows of mlp.c_fc.weight", ratio,
                             c.width, c.intermediate_size));
  require_same(json, "embed_dim", bounded(json, "embed_dim", kMaxWidth), c.embed_dim, "proj");
  if (const auto norm = vision.find("norm_kwargs"))
    c.layer_norm_eps = norm->number("eps", kTorchLayerNormEps);
  vision.require(c.layer_norm_eps > 0 && c.layer_norm_eps < 1, "norm_kwargs",
                 fmt::format("expected an eps in (0, 1), found {}", c.layer_norm_eps));
  return bounded(vision, "head_width", kMaxWidth, kHeadWidth);
}

}  // namespace

OpenClipVisionConfig OpenClipVisionConfig::read(const formats::Checkpoint& checkpoint,
                                                const std::filesystem::path& config) {
  const Shapes shapes(checkpoint);
  OpenClipVisionConfig c = from_shapes(shapes);
  int64_t head_width = kHeadWidth;
  if (!config.empty()) {
    const JsonView file = JsonView::load(config);
    // On the Hugging Face hub the model's part stands below a key of its own.
    const JsonView json = file.find("model_cfg").value_or(file);
    head_width = apply_config(c, json);
    // OpenAI's weights need QuickGELU whatever the config of their architecture says.
    if (!json.boolean("quick_gelu", false) && !shapes.are_openai())
      c.activation = Activation::kGelu;
  }
  if (c.width % head_width != 0)
    shapes.fail("conv1.weight",
                fmt::format("expected a width that is a multiple of head_width {}", head_width));
  c.heads = c.width / head_width;
  return c;
}

}  // namespace isthmus::layout
