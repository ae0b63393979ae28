#include "layout/onellm_modalities.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"
#include "layout/config_checks.h"

namespace isthmus::layout {
namespace {

// In the order of the reference's constructor.
constexpr std::array<std::string_view, 8> kReleased = {"image", "video", "audio", "point",
                                                       "rgbd",  "rgbn",  "fmri",  "imu"};
constexpr std::array<std::string_view, 19> kModalityKeys = {"resample_tokens",
                                                            "resampler_heads",
                                                            "num_experts",
                                                            "resampler_layers",
                                                            "audio_kernel",
                                                            "audio_stride",
                                                            "audio_window",
                                                            "imu_kernel",
                                                            "imu_stride",
                                                            "fmri_tokens",
                                                            "point_groups",
                                                            "point_group_size",
                                                            "image_size",
                                                            "patch_size",
                                                            "clip_heads",
                                                            "max_seq_len",
                                                            "point_metric",
                                                            "modalities",
                                                            "decode_offset_ignores_tags"};
constexpr int64_t kLongestWindow = int64_t{1} << 24;
constexpr int64_t kPointGroupSize = 32;  // model/lib/point_utils.py

template <typename Names>
void allow_only(const JsonView& json, const Names& known) {
  for (const auto& [key, value] : json.members())
    if (std::ranges::find(known, key) == known.end())
      value.fail(fmt::format("unknown key; known here are {}", fmt::join(known, ", ")));
}

// A list of `dimensions` numbers above 0, or one number for all.
Shape sizes(const JsonView& json, size_t dimensions) {
  Shape out;
  if (json.is_array()) {
    for (const JsonView& value : json.elements()) out.push_back(value.as_integer());
  } else {
    out.assign(dimensions, json.as_integer());
  }
  if (out.size() != dimensions)
    json.fail(
        fmt::format("has {} numbers, the convolution has {} dimensions", out.size(), dimensions));
  for (const int64_t size : out)
    if (size < 1 || size > kLongestWindow) json.fail(fmt::format("{} is no possible size", size));
  return out;
}

modalities::PointMetric point_metric(const JsonView& json) {
  const std::string name = json.as_string();
  if (name == "colour") return modalities::PointMetric::kColour;
  if (name != "position") json.fail(fmt::format("is \"{}\"; expected colour or position", name));
  return modalities::PointMetric::kPosition;
}

class ModalityReader {
 public:
  ModalityReader(const OneLlmTensors& tensors, const OneLlmOptions& options,
                 const UniversalEncoderConfig& encoder, int64_t common_resample_tokens)
      : tensors_(tensors),
        options_(options),
        encoder_(encoder),
        common_resample_tokens_(common_resample_tokens) {}

  ModalityConfig read(const std::string& key) const {
    ModalityConfig m{};
    m.key = key;
    m.name = request_name(key);
    const auto entry = options_.modality(m.name);
    read_tokenizer(m, entry);
    if (entry) read_recipe(m, *entry);
    const auto* tokens = tensors_.find("resample_tokens." + key);
    m.resample_tokens =
        tokens != nullptr && tokens->shape.size() == 3 ? tokens->shape[1] : common_resample_tokens_;
    const auto* router = tensors_.find("routers." + key + ".fc1.weight");
    m.router_hidden = router != nullptr && router->shape.size() == 2 ? router->shape[0] : 0;
    return m;
  }

 private:
  void read_tokenizer(ModalityConfig& m, const std::optional<JsonView>& entry) const {
    const std::string conv = "conv1." + m.key, points = conv + ".conv1";
    const auto* weight = tensors_.find(conv + ".weight");
    m.num_tokens = encoder_.num_patches();
    m.channels = 3;
    if (tensors_.find(points + ".weight") != nullptr) {
      m.tokenizer = TokenizerKind::kPointGroups;
      m.channels = tensors_.shape(points + ".weight", 4)[1];
      m.bias = tensors_.find(points + ".bias") != nullptr;
      m.num_tokens = positions(m);
      m.group_size = options_.number("point_group_size", kPointGroupSize);
      if (const auto metric = options_.find("point_metric")) m.metric = point_metric(*metric);
      options_.expect("point_groups", m.num_tokens, tensors_.files());
    } else if (weight == nullptr) {
      m.tokenizer = TokenizerKind::kVisionPatches;
    } else if (weight->shape.size() == 2) {
      m.tokenizer = TokenizerKind::kLinear;
      read_linear(m, tensors_.shape(conv + ".weight", 2));
    } else if (weight->shape.size() == 3 || weight->shape.size() == 4) {
      m.tokenizer = TokenizerKind::kPatchConv;
      read_conv(m, tensors_.shape(conv + ".weight", weight->shape.size()), entry);
    } else {
      throw ModelError(fmt::format("{}: {} is {}: neither a convolution nor a linear map",
                                   weight->file, weight->name, isthmus::to_string(weight->shape)));
    }
  }

  // Of the table of positions, without the class token's.
  int64_t positions(const ModalityConfig& m) const {
    return tensors_.shape("positional_embedding." + m.key, 2)[0] - 1;
  }

  void read_linear(ModalityConfig& m, const Shape& weight) const {
    m.channels = weight[1];
    m.bias = tensors_.find("conv1." + m.key + ".bias") != nullptr;
    m.num_tokens = positions(m);
    if (weight[0] != m.num_tokens * encoder_.width)
      throw ModelError(fmt::format(
          "{}: conv1.{}.weight has {} rows, but {} positions of an encoder {} wide need {}",
          tensors_.files(), m.key, weight[0], m.num_tokens, encoder_.width,
          m.num_tokens * encoder_.width));
    if (m.key == "fmri") options_.expect("fmri_tokens", m.num_tokens, tensors_.files());
  }

  void read_conv(ModalityConfig& m, const Shape& weight,
                 const std::optional<JsonView>& entry) const {
    m.channels = weight[1];
    m.kernel.assign(weight.begin() + 2, weight.end());
    m.bias = tensors_.find("conv1." + m.key + ".bias") != nullptr;
    m.num_tokens = positions(m);
    const size_t dimensions = m.kernel.size();
    const auto told = [&](const char* key) -> std::optional<Shape> {
      if (entry && entry->contains(key)) return sizes(entry->at(key), dimensions);
      if (const auto own = options_.find(m.key + "_" + key)) return sizes(*own, dimensions);
      return std::nullopt;
    };
    // The reference's, else patches that do not overlap.
    Shape stride = m.kernel;
    if (m.key == "audio") stride.assign(dimensions, 10);
    if (m.key == "imu") stride.assign(dimensions, 1);
    m.stride = told("stride").value_or(stride);
    if (const auto window = told("window"))
      m.window = *window;
    else if (m.key == "audio" && dimensions == 2)
      m.window = {128, 1024};
    else if (dimensions == 1)
      m.window = {(m.num_tokens - 1) * m.stride[0] + m.kernel[0]};
    else
      throw ModelError(fmt::format(
          "{}: the size of a {} input follows from no tensor; give it as \"window\" of the entry "
          "\"{}\" of \"modalities\" in onellm.json",
          tensors_.files(), m.name, m.name));
    int64_t tokens = 1;
    for (size_t d = 0; d < dimensions; ++d)
      tokens *= m.window[d] < m.kernel[d] ? 0 : (m.window[d] - m.kernel[d]) / m.stride[d] + 1;
    if (tokens != m.num_tokens)
      throw ModelError(fmt::format(
          "{}: positional_embedding.{} has {} rows beside the class token's, but a window of [{}] "
          "with kernel [{}] and stride [{}] makes {} tokens; onellm.json can state stride and "
          "window",
          tensors_.files(), m.key, m.num_tokens, fmt::join(m.window, ", "),
          fmt::join(m.kernel, ", "), fmt::join(m.stride, ", "), tokens));
    if (m.key == "audio") options_.expect("audio_kernel", m.kernel[0], tensors_.files());
    if (m.key == "imu") options_.expect("imu_kernel", m.kernel[0], tensors_.files());
  }

  void read_recipe(ModalityConfig& m, const JsonView& entry) const {
    modalities::SignalConfig recipe = modalities::SignalConfig::parse(entry);
    const std::string kind = name_of(m.tokenizer, m.kernel.size()),
                      stated = entry.string("tokenizer");
    entry.require(stated == kind, "tokenizer",
                  fmt::format("is \"{}\", but the tensors in {} are those of \"{}\"", stated,
                              tensors_.files(), kind));
    Shape window = m.window;
    int64_t channels = m.channels;
    if (m.tokenizer == TokenizerKind::kVisionPatches)
      window = {encoder_.image_size, encoder_.image_size};
    if (m.tokenizer == TokenizerKind::kLinear) {
      window = {m.channels};
      channels = recipe.channels;  // whatever the file has, one after the other
    }
    entry.require(
        recipe.window.empty() || recipe.window == window, "window",
        fmt::format("is [{}], but the tensors in {} take [{}]", fmt::join(recipe.window, ", "),
                    tensors_.files(), fmt::join(window, ", ")));
    entry.require(
        recipe.channels == 0 || recipe.channels == channels || !entry.contains("channels"),
        "channels",
        fmt::format("is {}, but the tensors in {} take {}", recipe.channels, tensors_.files(),
                    channels));
    const auto fits = [&](size_t count) {
      return count <= 1 || channels == 0 || static_cast<int64_t>(count) == channels;
    };
    entry.require(fits(recipe.mean.size()), "normalise",
                  fmt::format("needs one mean and std, or {} each", channels));
    recipe.window = std::move(window);
    recipe.channels = channels;
    m.recipe = std::move(recipe);
  }

  const OneLlmTensors& tensors_;
  const OneLlmOptions& options_;
  const UniversalEncoderConfig& encoder_;
  int64_t common_resample_tokens_;
};

}  // namespace

OneLlmOptions::OneLlmOptions(const std::filesystem::path& file) {
  if (file.empty()) return;
  json_ = JsonView::load(file);
  if (!json_->is_object()) json_->fail("expected an object");
  allow_only(*json_, kModalityKeys);
}

int64_t OneLlmOptions::number(std::string_view key, int64_t fallback) const {
  return json_ ? bounded(*json_, key, kMaxPositions, fallback) : fallback;
}

void OneLlmOptions::expect(std::string_view key, int64_t found, const std::string& source) const {
  require(number(key, found) == found, key,
          fmt::format("is {}, but {} has {}", number(key, found), source, found));
}

void OneLlmOptions::require(bool condition, std::string_view key, const std::string& what) const {
  if (condition) return;
  if (json_) json_->require(false, key, what);
  throw ModelError(fmt::format("{}: {}; onellm.json beside the weights can state it", key, what));
}

std::optional<JsonView> OneLlmOptions::find(std::string_view key) const {
  return json_ ? json_->find(key) : std::nullopt;
}

std::vector<JsonView> OneLlmOptions::modalities() const {
  const auto list = find("modalities");
  return list ? list->elements() : std::vector<JsonView>{};
}

std::optional<JsonView> OneLlmOptions::modality(std::string_view name) const {
  for (const JsonView& entry : modalities())
    if (entry.string("name") == name) return entry;
  return std::nullopt;
}

std::vector<ModalityConfig> read_modalities(const OneLlmTensors& tensors,
                                            const OneLlmOptions& options,
                                            const UniversalEncoderConfig& encoder) {
  std::set<std::string> keys;
  for (const char* table : {"resample_tokens.", "clip_proj1.", "start_tag."})
    for (const std::string& key : tensors.children(table)) keys.insert(key);
  int64_t resample_tokens = options.number("resample_tokens", 30);
  for (const std::string& key : keys)
    if (const auto* tokens = tensors.find("resample_tokens." + key);
        tokens != nullptr && tokens->shape.size() == 3)
      resample_tokens = tokens->shape[1];
  if (!keys.empty()) options.expect("resample_tokens", resample_tokens, tensors.files());

  const ModalityReader reader(tensors, options, encoder, resample_tokens);
  std::vector<ModalityConfig> modalities;
  for (const std::string_view released : kReleased)
    if (keys.erase(std::string(released)) > 0)
      modalities.push_back(reader.read(std::string(released)));
  for (const std::string& key : keys) {
    if (key.find_first_of("{}") != std::string::npos)
      throw ModelError(fmt::format("{}: \"{}\" is no name of a modality", tensors.files(), key));
    modalities.push_back(reader.read(key));
    if (!modalities.back().recipe)
      throw ModelError(fmt::format(
          "{}: holds the parts of a modality \"{}\", which this build does not know; say in "
          "onellm.json how it is read: {{\"modalities\": [{{\"name\": \"{}\", \"reader\": "
          "\"csv\", \"tokenizer\": \"{}\"}}]}}",
          tensors.files(), key, key,
          name_of(modalities.back().tokenizer, modalities.back().kernel.size())));
  }
  for (const JsonView& entry : options.modalities()) {
    const std::string name = entry.string("name");
    if (std::ranges::find(modalities, name, &ModalityConfig::name) == modalities.end())
      entry.at("name").fail(
          fmt::format("there are no tensors of a modality \"{}\" in {}", name, tensors.files()));
  }
  return modalities;
}

}  // namespace isthmus::layout
