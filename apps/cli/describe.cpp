#include "describe.h"

#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json_view.h"
#include "base/mapped_file.h"
#include "base/ordered_json.h"
#include "formats/bundle.h"
#include "isthmus/error.h"
#include "layout/describe_flamingo.h"
#include "layout/describe_gguf.h"
#include "layout/describe_language_model.h"
#include "layout/describe_llava.h"
#include "layout/describe_onellm.h"
#include "layout/describe_vocabulary.h"
#include "layout/flamingo_folder.h"
#include "layout/flamingo_model.h"
#include "layout/gguf_model.h"
#include "layout/llava_module_tree.h"
#include "layout/model_locator.h"
#include "layout/onellm_folder.h"
#include "layout/onellm_model.h"

namespace isthmus::cli {
namespace {

layout::PixelSize parse_size(const std::string& text) {
  layout::PixelSize size{};
  const char* end = text.data() + text.size();
  const auto width = std::from_chars(text.data(), end, size.width);
  const bool separated = width.ec == std::errc() && width.ptr != end && *width.ptr == 'x';
  const auto height = separated ? std::from_chars(width.ptr + 1, end, size.height) : width;
  constexpr int64_t kLargest = int64_t{1} << 31;  // no picture file states more
  if (!separated || height.ec != std::errc() || height.ptr != end || size.width < 1 ||
      size.height < 1 || size.width > kLargest || size.height > kLargest)
    throw UsageError(fmt::format("--image-size: expected WIDTHxHEIGHT, found \"{}\"", text));
  return size;
}

// Relative, as the user named the model, for what lies below the working folder.
std::filesystem::path as_written(const std::filesystem::path& found, const Options& options) {
  if (std::filesystem::path(options.model).is_absolute()) return found;
  const auto relative = found.lexically_proximate(std::filesystem::current_path());
  return relative.empty() || *relative.begin() == ".." ? found : relative;
}

layout::LlavaSources find_llava(const std::filesystem::path& model, const Options& options,
                                const layout::ModelLocator& locator) {
  layout::LlavaSources sources{layout::LlavaFolder::open(model), std::nullopt, {}};
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

// What a model in one file says of its golden vectors; nothing of other models, or where it has
// none.
std::optional<JsonView> recorded_of(const std::string& model) {
  if (!formats::is_bundle(model)) return std::nullopt;
  const auto folder = formats::bundled_case(model);
  if (!folder) return std::nullopt;
  return JsonView::load(*folder / "expect.json").at("recorded");
}

std::string golden_in_words(const JsonView& recorded, const std::string& model) {
  const JsonView source = recorded.at("source");
  return fmt::format(
      "\ngolden   {} questions, answered with {} kernels by isthmus {}: isthmus verify {}\n"
      "         against the model it was made of the same first token in {}, KL at most {:.2g} "
      "nats\n",
      source.integer("questions"), recorded.string("kernels"), recorded.string("version"), model,
      source.integer("same_choice"), source.number("largest_kl", 0));
}

int show(const std::string& tree, const std::string& text, nlohmann::json json,
         const Options& options) {
  const auto recorded = recorded_of(options.model);
  if (options.json) {
    if (!options.summary) json["module_tree"] = tree;
    if (recorded) json["golden"] = recorded->raw();
    fmt::print("{}\n", json.dump(1));
    return 0;
  }
  if (!options.summary) fmt::print("{}\n\n", tree);
  fmt::print("{}", text);
  if (recorded) fmt::print("{}", golden_in_words(*recorded, options.model));
  return 0;
}

int describe_llava(const std::filesystem::path& path, const Options& options,
                   const layout::ModelLocator& locator) {
  const layout::LlavaSources sources = find_llava(path, options, locator);
  layout::LlavaDescription description = layout::describe_llava(sources);
  const auto tower = layout::tower_of(sources);
  if (!options.image_size.empty() && tower)
    description.pictures = {
        layout::picture_path(sources.model.config, *tower, parse_size(options.image_size))};
  return show(layout::to_string(layout::llava_module_tree(sources.model.config, tower)),
              layout::to_text(description), layout::to_json(description), options);
}

int describe_flamingo(const std::filesystem::path& path, const Options& options,
                      const layout::ModelLocator& locator) {
  layout::FlamingoSources sources =
      layout::find_flamingo(path, {options.base, options.load.vision.string()}, locator);
  sources.vision_ln_post = sources.vision_ln_post || options.load.vision_ln_post;
  const auto model = layout::FlamingoModel::open(std::move(sources));
  layout::FlamingoDescription description = layout::describe_flamingo(model);
  if (!options.image_size.empty())
    description.pictures = {layout::picture_path(model, parse_size(options.image_size))};
  return show(layout::to_string(model.module_tree()), layout::to_text(description),
              layout::to_json(description), options);
}

int describe_onellm(const std::filesystem::path& path, const Options& options,
                    const layout::ModelLocator& locator) {
  const auto model = layout::OneLlmModel::open(layout::find_onellm(path, options.base, locator),
                                               formats::JoinedBytes::kNone);
  const layout::OneLlmDescription description = layout::describe_onellm(model);
  return show(layout::to_string(model.module_tree()), layout::to_text(description),
              layout::to_json(description), options);
}

int describe_language_model(const std::filesystem::path& path, const Options& options) {
  const layout::LanguageModelDescription description = layout::describe_language_model(path);
  return show(layout::to_string(description.module_tree), layout::to_text(description),
              layout::to_json(description), options);
}

// A folder that LLaVA's reader has no words for.
bool is_other_language_model(const std::filesystem::path& path) {
  const auto type = layout::language_model_type(path);
  return type && *type != "llama";
}

int describe_gguf(const std::filesystem::path& path, const Options& options) {
  const layout::GgufFiles files = layout::find_gguf(path, options.load.vision);
  if (const auto file = formats::GgufFile::open(MappedFile::open(files.model));
      layout::is_vocabulary(file)) {
    const auto vocabulary = layout::describe_vocabulary(file);
    fmt::print("{}", options.json ? layout::to_json(vocabulary).dump(1) + "\n"
                                  : layout::to_text(vocabulary));
    return 0;
  }
  const auto model = layout::GgufModel::open(files);
  layout::GgufDescription description = layout::describe_gguf(model);
  if (!options.image_size.empty()) description.show_picture(model, parse_size(options.image_size));
  return show(layout::to_string(description.module_tree), layout::to_text(description),
              layout::to_json(description), options);
}

}  // namespace

int describe(const Options& options) {
  const auto locator = layout::ModelLocator::from_environment();
  const std::filesystem::path path = locator.find_model(options.model);
  if (layout::is_gguf(path)) return describe_gguf(path, options);
  if (layout::is_flamingo(path)) return describe_flamingo(path, options, locator);
  if (layout::is_onellm(path)) return describe_onellm(path, options, locator);
  if (is_other_language_model(path)) return describe_language_model(path, options);
  return describe_llava(path, options, locator);
}

}  // namespace isthmus::cli
