#include "demo.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "demo_page.h"
#include "engine/load.h"
#include "isthmus/model.h"
#include "layout/model_locator.h"
#include "media/audio.h"
#include "media/encode_png.h"
#include "media/imu.h"
#include "media/number_array.h"
#include "media/video.h"
#include "media_html.h"
#include "recipe/recipe.h"
#include "text/unicode.h"
#include "training/fresh_start.h"
#include "world/encode.h"
#include "world/episodes.h"
#include "world/examples.h"
#include "world/words.h"

namespace isthmus::cli {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSeed = 4711;  // of inputs that no recipe draws
constexpr int kSide = 256;        // pixels of the pictures shown

std::string text_of(const world::Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A model before its aligner learnt anything, and after.
struct TrainedPair {
  Model before, after;
};

Model load(const std::string& model, const std::string& base, const Options& options) {
  return load_pretrained_model(model, base, "", options.load).model;
}

// The untrained one is drawn as the recipe draws it, into `folder`.
TrainedPair load_pair(const fs::path& root, const recipe::Recipe& recipe, const char* model,
                      const fs::path& folder, const Options& options) {
  const fs::path start = folder / model;
  training::write_fresh(recipe, recipe.stages.front().seed, start);
  const bool projector = recipe.model.fresh->kind == "projector";
  return {load(start.string(), projector ? recipe.model.base : "", options),
          load((root / "demo/models" / model).string(), "", options)};
}

recipe::Recipe recipe_of(const fs::path& root, const char* name) {
  return recipe::load_recipe(root / "recipes/demo" / name);
}

// All modalities at once: stage III begins with what stage II has learnt.
recipe::Recipe untrained_onellm(const fs::path& root) {
  recipe::Recipe recipe = recipe_of(root, "onellm3.yaml");
  const recipe::Recipe first = recipe_of(root, "onellm1.yaml");
  recipe.model.path.clear();
  recipe.model.base = first.model.base;
  recipe.model.vision = first.model.vision;
  recipe.model.fresh->resampler_layers = first.model.fresh->resampler_layers;
  recipe.model.fresh->resampler_width = first.model.fresh->resampler_width;
  return recipe;
}

std::string ask(const Model& model, Request request) {
  request.generate.max_new_tokens = 24;
  // OneLLM's inference goes on two positions too early; training knows no such shift.
  request.generate.quirks["decode_offset_ignores_tags"] = false;
  std::string text = model.generate(request).text;
  constexpr size_t kShown = 60;
  if (text.size() > kShown) text = text.substr(0, kShown) + " …";
  return std::string(text::strip(text));
}

Request question_about(const Part& medium, const std::string& question) {
  Request request;
  request.messages = {{"user", {medium, Part::of_text(question)}}};
  return request;
}

// Every other frame.
std::string frames_of(const world::Bytes& file) {
  media::VideoReader video(file, "video");
  std::string html;
  for (int64_t i = 0; i < video.num_frames(); i += 2)
    html += picture_as_html(media::encode_png(video.frame(i)));
  return html;
}

std::string signal_of(const world::Example& example) {
  std::vector<std::vector<float>> curves;
  if (example.modality == "imu") {
    const auto recording = media::parse_imu_csv(text_of(example.file), "imu");
    for (const auto& channel : recording.channels) curves.push_back(channel);
  } else if (example.modality == "audio") {
    media::AudioReader sound(example.file, "audio");
    std::vector<float>& wave = curves.emplace_back();
    for (media::AudioBlock block; sound.next(block);)
      wave.insert(wave.end(), block.channel(0).begin(), block.channel(0).end());
  } else if (example.modality == "fmri") {
    curves.push_back(media::NumberArray(example.file, "fmri").values());
  }
  return curves_as_html(curves);
}

class Show {
 public:
  explicit Show(const Options& options)
      : options_(options), colour_(::isatty(STDOUT_FILENO) != 0) {}

  void add(DemoItem item) {
    std::cout << fmt::format("\n{}, {}\n", item.family, item.title);
    for (const DemoAnswer& answer : item.answers) {
      const bool right = answer.is_right();
      std::cout << fmt::format("  {}\n    before  {}\n    after   {}{}{}\n", answer.question,
                               answer.before.empty() ? "(nothing)" : answer.before,
                               colour_ ? (right ? "\x1b[32m" : "\x1b[33m") : "", answer.after,
                               right ? (colour_ ? " ✓\x1b[0m" : " ✓")
                                     : fmt::format("{}   (right: {})", colour_ ? "\x1b[0m" : "",
                                                   answer.right))
                << std::flush;
      ++asked_;
      right_ += right ? 1 : 0;
    }
    items_.push_back(std::move(item));
  }

  void questions(const TrainedPair& models, const char* family, const std::string& modality,
                 uint64_t index, size_t count) {
    world::ExampleOptions options;
    options.view = {kSide, kSide, 2};
    options.points = 1024;
    options.voxels = 512;
    options.limits.max_objects = modality == "image" ? 3 : 2;
    const world::Examples examples(kSeed, world::Split::kTest, options);
    const world::Example example = examples.draw(modality, index);
    Part medium = Part::of_media(modality, {});
    medium.data = example.file;
    if (modality == "depth") medium.unit = "mm";
    if (!example.picture.empty())
      medium.rgb_data = world::write_png(media::filled_image(kSide, kSide, media::Rgb{0, 0, 0}));
    std::string picture, note;
    if (modality == "video") {
      picture = frames_of(example.file);
    } else if (modality == "points") {
      picture = picture_as_html(examples.draw("image", index).file);
      note = " (seen as points of this scene)";
    } else if (modality == "image" || modality == "depth" || modality == "normal") {
      picture = picture_as_html(example.file);
    } else {
      picture = signal_of(example);
    }
    DemoItem item{family, modality + ": " + example.description + note, picture, {}};
    for (size_t i = 0; i < std::min(count, example.exchanges.size()); ++i) {
      const auto& exchange = example.exchanges[i];
      item.answers.push_back(
          {exchange.question, ask(models.before, question_about(medium, exchange.question)),
           ask(models.after, question_about(medium, exchange.question)), exchange.answer});
    }
    add(std::move(item));
  }

  // A question about a picture.
  void picture_question(const TrainedPair& models, uint64_t index) {
    const world::Album album(kSeed, world::Split::kTest, {100, 100, 0, 0});
    world::Dice dice(world::seed_of(kSeed, 9, index));
    add(episode_of(models, album, world::question_episode(dice, album, 100 + index), "a picture"));
  }

  // What is asked is never said: three examples show it.
  void task(const TrainedPair& models, uint64_t index) {
    const world::Album album(kSeed, world::Split::kTest, {100, 0, 0, 0});
    world::Dice dice(world::seed_of(kSeed, 11, index));
    const auto tasks = world::all_tasks(1);
    add(episode_of(models, album, world::task_episode(dice, album, tasks[index % 3], 3),
                   "three examples, and a fourth picture"));
  }

  // Two kinds of objects have names that mean nothing elsewhere; four pictures say which.
  void names(const TrainedPair& models, uint64_t index) {
    const world::Album album(kSeed, world::Split::kTest, {100, 0, 0, 0});
    world::Dice dice(world::seed_of(kSeed, 13, index));
    add(episode_of(models, album,
                   world::naming_episode(
                       dice, album,
                       {.of = world::NameClass::kObject, .ways = 2, .shots = 4, .balanced = true}),
                   "four objects with names, and a fifth"));
  }

  // Everything up to its last answer is the prompt.
  static DemoItem episode_of(const TrainedPair& models, const world::Album& album,
                             const world::Episode& episode, const std::string& title) {
    const auto& spans = episode.row.spans;
    size_t last = spans.size() - 1;
    while (last > 0 && (spans[last].weight < world::kAnswerWeight || spans[last].text == "."))
      --last;
    Request request;
    DemoItem item{"Flamingo", title, "", {}};
    std::string text, asked;
    size_t picture = 0;
    const auto flush = [&] {
      if (!text.empty()) request.prompt.push_back(Part::of_text(text));
      asked = std::exchange(text, {});
    };
    for (size_t i = 0; i < last; ++i)
      for (const std::string_view word : world::split_words(spans[i].text)) {
        if (word == "<img>") {
          flush();
          const auto png = world::write_png(
              world::render(album.scene(episode.pictures.at(picture++)), {kSide, kSide, 2}));
          request.prompt.push_back(Part::of_image_data(png));
          item.picture += picture_as_html(png);
        } else if (word == ".") {
          item.title += (item.title == title ? ": " : ", ") + text.substr(text.find(' ') + 1);
          flush();
          request.prompt.push_back(Part::of_token("<|endofchunk|>"));
        } else {
          if (!text.empty()) text += ' ';
          text += word == "<sep>" ? std::string_view(":") : word;
        }
      }
    flush();
    std::string right = spans[last].text;
    if (right.ends_with(" .")) right.resize(right.size() - 2);
    item.answers.push_back({asked == ":" || asked == "is" ? "and the last one?" : asked.substr(2),
                            ask(models.before, request), ask(models.after, request), right});
    return item;
  }

  void finish(const fs::path& page) const {
    write_demo_page(page, items_);
    std::cout << fmt::format("\n{} of {} answers are right. The same with pictures: {}\n", right_,
                             asked_, page.string());
  }

 private:
  const Options& options_;
  bool colour_;
  std::vector<DemoItem> items_;
  int right_ = 0, asked_ = 0;
};

// Removed again, whatever happens.
struct ScratchFolder {
  fs::path path = fs::temp_directory_path() / fmt::format("isthmus-demo-{}", ::getpid());
  ScratchFolder() { fs::create_directories(path); }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

}  // namespace

int demo(const Options& options) {
  engine::prepare_arithmetic(options.load);
  const fs::path root = layout::ModelLocator::shared_files();
  const ScratchFolder scratch;
  Show show(options);
  {
    const TrainedPair llava =
        load_pair(root, recipe_of(root, "llava.yaml"), "llava-v1.5", scratch.path, options);
    for (const uint64_t index : {3, 8, 21}) show.questions(llava, "LLaVA", "image", index, 3);
  }
  {
    const TrainedPair onellm =
        load_pair(root, untrained_onellm(root), "onellm", scratch.path, options);
    for (const std::string_view modality : world::kModalities)
      show.questions(onellm, "OneLLM", std::string(modality), 5, 2);
  }
  {
    const TrainedPair flamingo =
        load_pair(root, recipe_of(root, "flamingo.yaml"), "flamingo", scratch.path, options);
    for (const uint64_t index : {1, 2, 3}) show.picture_question(flamingo, index);
    for (const uint64_t index : {0, 1}) show.task(flamingo, index);
    for (const uint64_t index : {0, 1, 2}) show.names(flamingo, index);
  }
  show.finish(options.out.empty() ? fs::path("demo.html") : options.out);
  return 0;
}

}  // namespace isthmus::cli
