#include "describe.h"

#include <charconv>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "isthmus/error.h"
#include "layout/describe_llava.h"
#include "layout/llava_module_tree.h"
#include "layout/model_locator.h"

namespace isthmus::cli {
namespace {

layout::PixelSize parse_size(const std::string& text) {
  layout::PixelSize size{};
  const char* end = text.data() + text.size();
  const auto width = std::from_chars(text.data(), end, size.width);
  const bool separated = width.ec == std::errc() && width.ptr != end && *width.ptr == 'x';
  const auto height = separated ? std::from_chars(width.ptr + 1, end, size.height) : width;
  if (!separated || height.ec != std::errc() || height.ptr != end || size.width < 1 ||
      size.height < 1)
    throw UsageError(fmt::format("--image-size: expected WIDTHxHEIGHT, found \"{}\"", text));
  return size;
}

// Relative, as the user named the model, for what lies below the working folder.
std::filesystem::path as_written(const std::filesystem::path& found, const Options& options) {
  if (std::filesystem::path(options.model).is_absolute()) return found;
  const auto relative = found.lexically_proximate(std::filesystem::current_path());
  return relative.empty() || *relative.begin() == ".." ? found : relative;
}

layout::LlavaSources find_sources(const Options& options) {
  const auto locator = layout::ModelLocator::from_environment();
  layout::LlavaSources sources{
      layout::LlavaFolder::open(locator.find_model(options.model)), std::nullopt, {}};
  if (!options.base.empty())
    sources.base = layout::LlavaFolder::open(locator.find_model(options.base));
  const std::string& tower = sources.model.config.vision_tower;
  // A tower that is not at hand leaves its shapes out; everything else can still be told.
  try {
    if (!tower.empty())
      sources.tower = as_written(
          locator.find_vision_tower(tower, sources.model.path, options.load.vision), options);
  } catch (const ModelError& error) {
    fmt::print(stderr, "isthmus: {}\n", error.what());
  }
  return sources;
}

}  // namespace

int describe(const Options& options) {
  const layout::LlavaSources sources = find_sources(options);
  layout::LlavaDescription description = layout::describe_llava(sources);
  const auto tower = layout::tower_of(sources);
  if (!options.image_size.empty() && tower)
    description.pictures = {
        layout::picture_path(sources.model.config, *tower, parse_size(options.image_size))};
  const std::string tree =
      layout::to_string(layout::llava_module_tree(sources.model.config, tower));
  if (options.json) {
    nlohmann::json json = layout::to_json(description);
    if (!options.summary) json["module_tree"] = tree;
    fmt::print("{}\n", json.dump(1));
    return 0;
  }
  if (!options.summary) fmt::print("{}\n\n", tree);
  fmt::print("{}", layout::to_text(description));
  return 0;
}

}  // namespace isthmus::cli
