#include "modalities/clip_image.h"

#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "media/decode_image.h"
#include "media/test_npy.h"

namespace isthmus::modalities {
namespace {

namespace fs = std::filesystem;
using testing_support::read_npy_bytes;
using testing_support::read_npy_floats;

const fs::path kCases = fs::path(ISTHMUS_FIXTURES) / "llava";

// The tiles as the fixtures store them: [tiles, 3, height, width].
std::vector<uint8_t> planes(const std::vector<media::Image>& tiles) {
  std::vector<uint8_t> out;
  for (const auto& tile : tiles)
    for (size_t c = 0; c < 3; ++c)
      for (size_t i = c; i < tile.pixels.size(); i += 3) out.push_back(tile.pixels[i]);
  return out;
}

// Every float must be the reference's to the last bit: all stages before it are, and so is its
// arithmetic. The fixtures allow 1e-6.
void expect_same_floats(const std::vector<float>& found, const std::vector<float>& expected,
                        const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  size_t different = 0;
  float largest = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    different += found[i] != expected[i];
    largest = std::max(largest, std::abs(found[i] - expected[i]));
  }
  EXPECT_EQ(different, 0u) << what << ": of " << found.size() << " values, max |Δ| " << largest;
}

// JPEG decoders may differ by one; none of the fixtures' files shows it with libjpeg-turbo.
TEST(ImagePreprocess, EveryTensorOfTheFixtureIsExact) {
  const fs::path folder = kCases / "image_preprocess";
  const JsonView expect = JsonView::load(folder / "expect.json");
  const auto config_for = [&](int64_t size) {
    return ClipImageConfig::parse(
        JsonView::parse(fmt::format(R"({{"crop_size": {0}, "size": {0}, "resample": 3}})", size),
                        "preprocessor_config.json"));
  };
  const ClipImageConfig small = config_for(expect.integer("crop_size"));
  const ClipImageConfig large = config_for(expect.integer("large_crop_size"));
  const auto pinpoints =
      parse_grid_pinpoints(expect.at("grid_pinpoints"), PinpointOrder::kWidthHeight);
  size_t checked = 0;
  for (const JsonView& entry : expect.at("images").elements()) {
    const std::string key = entry.string("key");
    const media::Image image = media::load_image(folder / entry.string("file"));
    for (const JsonView& tensor : expect.at("tensors").elements()) {
      const std::string name = tensor.string("name"),
                        file = (folder / tensor.string("file")).string();
      if (!name.starts_with(key + ".")) continue;
      const std::string kind = name.substr(key.size() + 1);
      if (kind == "rgb") {
        const auto expected = read_npy_bytes(file);
        EXPECT_EQ((Shape{image.height, image.width, 3}), expected.shape) << name;
        EXPECT_TRUE(image.pixels == expected.values) << name;
      } else if (kind == "square" || kind == "pad") {
        const auto mode = kind == "pad" ? AspectMode::kPad : AspectMode::kSquare;
        expect_same_floats(prepare_clip_image(image, small, mode).values,
                           read_npy_floats(file).values, name);
      } else if (kind == "anyres_u8") {
        const ClipTiles cut = cut_clip_tiles(image, small, AspectMode::kAnyres, pinpoints);
        const auto expected = read_npy_bytes(file);
        EXPECT_EQ(static_cast<int64_t>(cut.tiles.size()), expected.shape[0]) << name;
        EXPECT_EQ(cut.geometry.grid_width, entry.at("anyres_grid_wh").elements()[0].as_integer())
            << name;
        EXPECT_EQ(cut.geometry.grid_height, entry.at("anyres_grid_wh").elements()[1].as_integer())
            << name;
        EXPECT_TRUE(planes(cut.tiles) == expected.values) << name;
      } else {
        ASSERT_EQ(kind, "pad336_u8") << name;
        EXPECT_TRUE(planes(cut_clip_tiles(image, large, AspectMode::kPad).tiles) ==
                    read_npy_bytes(file).values)
            << name;
      }
      ++checked;
    }
  }
  EXPECT_EQ(checked, expect.at("tensors").elements().size());
}

struct PixelCase {
  std::string folder;        // of the case
  std::string preprocessor;  // preprocessor_config.json, below the case
  std::string model_config;  // config.json with the aspect mode; empty for the llava-hf layouts
  std::string prefix;        // of the tensors it covers
};

std::vector<std::string> images_of(const JsonView& expect, const fs::path& folder,
                                   const std::string& tensor) {
  const std::string suffix = ".pixel_values";
  if (tensor.ends_with(suffix)) {  // one request, all its pictures stacked
    for (const JsonView& request : expect.at("requests").elements()) {
      if (request.string("name") + suffix != tensor) continue;
      std::vector<std::string> files;
      for (const JsonView& file : request.at("images").elements())
        files.push_back(file.as_string());
      return files;
    }
  }
  const std::string stem = "inputs/img" + tensor.substr(std::string("pixel_values").size());
  return {fs::exists(folder / (stem + ".png")) ? stem + ".png" : stem + ".jpg"};
}

TEST(PixelValues, OfEveryModelFixtureAreExact) {
  const PixelCase cases[] = {
      {"v15_original", "openai/clip-tiny-patch14-70", "llava-v1.5-tiny", ""},
      {"v1_linear", "openai/clip-tiny-patch14-56", "LLaVA-7B-v1-tiny", "plain_linear."},
      {"v1_linear", "openai/clip-tiny-patch14-56", "LLaVA-tiny-v0", "im_start_end."},
      {"v1_linear", "openai/clip-tiny-patch14-56", "llava-v1-cls-tiny", "cls_patch_identity_mlp3."},
      {"adapters", "openai/clip-tiny-patch14-56", "llava-tiny-pretrain", "projector_only."},
      {"adapters", "openai/clip-tiny-patch14-56", "llava-v1.5-tiny-lora", "lora."},
      {"v16_anyres_vicuna", "openai/clip-tiny-patch14-56", "llava-v1.6-vicuna-tiny", ""},
      {"v16_anyres_mistral", "openai/clip-tiny-patch12-48", "llava-v1.6-mistral-tiny", ""},
      {"hf_llava15", "llava-1.5-tiny-hf", "", ""},
      {"hf_llava_next", "llava-v1.6-tiny-hf", "", ""},
  };
  size_t checked = 0;
  for (const PixelCase& each : cases) {
    const fs::path folder = kCases / each.folder;
    const auto config = ClipImageConfig::parse(
        JsonView::load(folder / "model" / each.preprocessor / "preprocessor_config.json"));
    AspectMode mode =
        config.image_grid_pinpoints.empty() ? AspectMode::kSquare : AspectMode::kAnyres;
    std::vector<Resolution> pinpoints = config.image_grid_pinpoints;
    if (!each.model_config.empty()) {
      const JsonView model = JsonView::load(folder / "model" / each.model_config / "config.json");
      mode = parse_aspect_mode(model.string("image_aspect_ratio", "square"));
      if (const auto grid = model.find("image_grid_pinpoints"))
        pinpoints = parse_grid_pinpoints(*grid, PinpointOrder::kWidthHeight);
    }
    const JsonView expect = JsonView::load(folder / "expect.json");
    for (const JsonView& tensor : expect.at("tensors").elements()) {
      const std::string name = tensor.string("name");
      if (name.find("pixel_values") == std::string::npos || !name.starts_with(each.prefix))
        continue;
      const auto expected = read_npy_floats(folder / tensor.string("file"));
      std::vector<float> values;
      Shape shape;
      for (const std::string& file : images_of(expect, folder, name)) {
        const Prepared one =
            prepare_clip_image(media::load_image(folder / file), config, mode, pinpoints);
        values.insert(values.end(), one.values.begin(), one.values.end());
        shape = one.shape;
      }
      expect_same_floats(values, expected.values, each.folder + "/" + name);
      EXPECT_EQ(shape.back(), expected.shape.back());
      ++checked;
    }
  }
  EXPECT_EQ(checked, 16u);
}

TEST(PrepareClipImage, OnePixelAndExtremeShapesPassEveryMode) {
  const auto config =
      ClipImageConfig::parse(JsonView::parse(R"({"crop_size": 56, "size": 56})", "p.json"));
  const std::vector<Resolution> grid{{112, 56}, {56, 112}};
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 3000}, {3000, 1}, {2, 5}}) {
    const media::Image image = media::filled_image(width, height, {10, 20, 30});
    for (const AspectMode mode : {AspectMode::kSquare, AspectMode::kPad, AspectMode::kAnyres}) {
      const Prepared prepared = prepare_clip_image(image, config, mode, grid);
      EXPECT_EQ(prepared.shape, (Shape{mode == AspectMode::kAnyres ? 3 : 1, 3, 56, 56}));
      EXPECT_EQ(static_cast<int64_t>(prepared.values.size()), *num_elements(prepared.shape));
    }
  }
}

TEST(PrepareClipImage, ElongatedPicturesCostWhatTheCropCosts) {
  const auto config = ClipImageConfig::parse(JsonView::parse("{}", "p.json"));
  const media::Image image =
      media::filled_image(1, 1'000'000, {10, 20, 30});  // 224 x 224 million when resized
  EXPECT_EQ(prepare_clip_image(image, config, AspectMode::kSquare).shape, (Shape{1, 3, 224, 224}));
  EXPECT_THROW(prepare_clip_image(image, config, AspectMode::kPad), InputError);
}

TEST(ClipImageConfig, ReadsBothSpellings) {
  const auto json = [](const char* text) {
    return JsonView::parse(text, "preprocessor_config.json");
  };
  const auto exact = ClipImageConfig::parse(
      json(R"({"size": {"height": 20, "width": 30}, "do_center_crop": false})"));
  EXPECT_EQ(exact.shortest_edge, 0);
  const auto image = media::filled_image(7, 9, {1, 2, 3});
  EXPECT_EQ(prepare_clip_image(image, exact, AspectMode::kSquare).shape, (Shape{1, 3, 20, 30}));
  const auto defaults = ClipImageConfig::parse(json("{}"));
  EXPECT_EQ(defaults.shortest_edge, 224);
  EXPECT_EQ(defaults.crop_width, 224);
  EXPECT_EQ(defaults.rescale_factor, 1.0 / 255.0);
  const auto next =
      ClipImageConfig::parse(json(R"({"image_grid_pinpoints": [[336, 672], [672, 1008]]})"));
  EXPECT_EQ(next.image_grid_pinpoints, (std::vector<Resolution>{{672, 336}, {1008, 672}}));
}

TEST(ClipImageConfig, BrokenFilesAreNamed) {
  for (const char* text : {R"({"size": 0})", R"({"size": {"shortest_edge": "224"}})",
                           R"({"crop_size": {"height": 3}})", R"({"image_mean": [0.5, 0.5]})",
                           R"({"image_std": [0.5, 0, 0.5]})", R"({"crop_size": 1e9})",
                           R"({"size": 99999999})", R"({"image_grid_pinpoints": [[336]]})"}) {
    EXPECT_THROW(ClipImageConfig::parse(JsonView::parse(text, "p.json")), ModelError) << text;
  }
  EXPECT_THROW(ClipImageConfig::parse(JsonView::parse(R"({"resample": 1})", "p.json")),
               UnsupportedError);
  EXPECT_THROW(parse_aspect_mode("anyres_max_9"), UnsupportedError);
  EXPECT_EQ(parse_aspect_mode("square"), AspectMode::kSquare);
}

TEST(PrepareClipImage, AGridThatDoesNotFitTheTilesIsAModelError) {
  const auto config =
      ClipImageConfig::parse(JsonView::parse(R"({"crop_size": 56, "size": 56})", "p.json"));
  const auto image = media::filled_image(20, 20, {1, 2, 3});
  EXPECT_THROW(prepare_clip_image(image, config, AspectMode::kAnyres, {}), ModelError);
  EXPECT_THROW(prepare_clip_image(image, config, AspectMode::kAnyres, {{100, 56}}), ModelError);
}

}  // namespace
}  // namespace isthmus::modalities
