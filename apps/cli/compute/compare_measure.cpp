#include "compare_measure.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "alignment/comparison.h"
#include "base/json_view.h"
#include "engine/load.h"
#include "families/flamingo/flamingo.h"
#include "families/llava/llava.h"
#include "families/onellm/onellm.h"
#include "families/registry.h"
#include "layout/flops.h"
#include "layout/llava_folder.h"
#include "layout/model_locator.h"
#include "nn/slots.h"
#include "text/unicode.h"
#include "training/data_sets.h"
#include "training/forward.h"
#include "watch/curves.h"

namespace isthmus::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using recipe::Contestant;

double quantile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

// A line of /proc/self/status in bytes; 0 where the kernel has none.
int64_t status_bytes(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name + ":")) return std::stoll(line.substr(name.size() + 1)) * 1024;
  return 0;
}

// The peak of resident memory begins anew. A kernel that does not allow it keeps the old one.
void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

std::vector<ordered_json> lines_of(const fs::path& file) {
  std::vector<ordered_json> lines;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);)
    if (auto json = ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
        json.is_object())
      lines.push_back(std::move(json));
  return lines;
}

watch::ChartLine loss_line(const std::vector<ordered_json>& lines, const std::string& name) {
  constexpr size_t kPoints = 80;
  watch::Curve curve;
  for (const ordered_json& line : lines) {
    double sum = 0;
    int count = 0;
    for (const ordered_json& loss : line.at("loss"))
      if (loss.is_number()) sum += loss.get<double>(), ++count;
    if (count == 0) continue;
    curve.steps.push_back(line.at("step"));
    curve.values.push_back(sum / count);
  }
  const watch::DrawnCurve drawn = watch::drawn(curve, kPoints);
  return {name, {drawn.steps.begin(), drawn.steps.end()}, drawn.values};
}

watch::ChartLine quality_line(const std::vector<ordered_json>& lines, const std::string& name) {
  watch::ChartLine line{name, {}, {}};
  for (const ordered_json& measured : lines) {
    line.x.push_back(measured.at("step"));
    line.y.push_back(measured.at("exact").front());
  }
  return line;
}

// The place of a marker in a question, and blanks around it, belong to the data's own spelling.
std::string without_marker(std::string text) {
  constexpr std::string_view kMarker = "<image>";
  for (size_t at; (at = text.find(kMarker)) != std::string::npos;) text.erase(at, kMarker.size());
  return std::string(text::strip(text));
}

Request request_of(const ShownQuestion& shown, const recipe::DataEntry& entry, bool is_projector) {
  constexpr int64_t kLongest = 32;
  Request request;
  const Part picture = Part::of_image_data(shown.picture);
  request.generate.max_new_tokens = kLongest;
  // OneLLM's inference goes on two positions too early; training knows no such shift.
  request.generate.quirks["decode_offset_ignores_tags"] = false;
  const std::string& form = entry.conversation_template;
  if (shown.question.empty() || form == "plain") {
    request.prompt = {picture};
    request.generate.stop = {"\n"};
    return request;
  }
  request.messages = {{"user", {picture, Part::of_text(shown.question)}}};
  // Inference calls the templates by other names than training does.
  request.conversation_template = is_projector && form == "v1"        ? "vicuna_v1"
                                  : is_projector && form == "llama_2" ? "llava_llama_2"
                                                                      : form;
  return request;
}

// Of all weights as they are held, those that several places share once.
struct Weights {
  int64_t bytes = 0, aligner = 0, others = 0;  // numbers
};

Weights weights_of(torch::nn::Module& modules) {
  Weights weights;
  std::set<const void*> seen;
  for (const nn::Slot& slot : nn::slots_of(modules)) {
    const auto matrix = slot.is_matrix() ? slot.matrix() : nullptr;
    const torch::Tensor value = matrix ? torch::Tensor() : slot.value();
    if (!matrix && !value.defined()) continue;
    const void* place = matrix ? static_cast<const void*>(matrix.get()) : value.data_ptr();
    if (!seen.insert(place).second) continue;
    int64_t count = 1;
    for (const int64_t size : slot.shape) count *= size;
    (slot.name.starts_with("aligner.") ? weights.aligner : weights.others) += count;
    weights.bytes +=
        matrix ? static_cast<int64_t>(matrix->bytes()) : static_cast<int64_t>(value.nbytes());
  }
  return weights;
}

int64_t bytes_of(const nn::MediaMemory& memory) {
  size_t bytes = memory.latents.nbytes();
  for (const nn::MediaKeyValue& layer : memory.layers)
    if (layer.key.defined()) bytes += layer.key.nbytes() + layer.value.nbytes();
  return static_cast<int64_t>(bytes);
}

// What the aligner's own configuration says of its arithmetic. `tiles`: of the picture.
InputFlops flops_of(families::Family& family, const FrozenParts& frozen, int64_t tiles,
                    int64_t rows) {
  InputFlops flops;
  const layout::ClipVisionConfig& vision = frozen.vision;
  int64_t layers = vision.num_hidden_layers;
  if (const auto* llava = dynamic_cast<families::llava::Llava*>(&family)) {
    const layout::LlavaConfig& config = llava->settings().config;
    layers = config.select_layer < 0 ? config.select_layer + layers + 1 : config.select_layer;
    flops.aligner =
        layout::projector_flops(config.projector_depth, tiles * config.features_per_tile(vision),
                                vision.hidden_size, frozen.language.hidden_size);
  } else if (const auto* flamingo = dynamic_cast<families::flamingo::Flamingo*>(&family)) {
    const layout::FlamingoConfig& config = flamingo->model().config;
    flops.aligner = layout::resampler_flops(config.resampler, vision.num_patches());
    flops.gated_blocks = layout::gated_blocks_flops(config, rows);
  } else if (const auto* onellm = dynamic_cast<families::onellm::OneLlm*>(&family)) {
    const layout::OneLlmConfig& config = onellm->model().config;
    flops.aligner = layout::projection_flops(config.projection, config.modalities.front(),
                                             vision.num_patches() + 1);
  }
  flops.encoder = static_cast<double>(tiles) * layout::encoder_flops(vision, layers);
  flops.language_model = layout::prefill_flops(frozen.language, rows);
  return flops;
}

// How long it takes from the question to its first token, each picture being new, and what is said.
void ask(engine::Engine& engine, const Contestant& contestant,
         const std::vector<ShownQuestion>& questions, Measured& measured) {
  const recipe::DataEntry& entry = contestant.recipe.stages.front().held_out.data.front();
  const bool is_projector = contestant.recipe.model.fresh->kind == "projector";
  if (questions.empty()) return;
  constexpr int kRepetitions = 3;
  std::vector<double> first, encode, rows;
  // What is measured first warms caches, and is not counted.
  engine.generate(request_of(questions.front(), entry, is_projector), {});
  for (int repetition = 0; repetition < kRepetitions; ++repetition)
    for (const ShownQuestion& shown : questions) {
      engine.forget();
      const isthmus::Answer answer = engine.generate(request_of(shown, entry, is_projector), {});
      first.push_back(answer.timings.encode + answer.timings.prefill);
      encode.push_back(answer.timings.encode);
      rows.push_back(static_cast<double>(answer.timings.prompt_tokens));
      if (repetition == 0) measured.said.emplace_back(text::strip(answer.text));
    }
  measured.first_token = {quantile(first, .5), quantile(first, .25), quantile(first, .75)};
  measured.encode_seconds = quantile(encode, .5);
  measured.prompt_rows = static_cast<int64_t>(quantile(rows, .5));
}

void read_logs(const fs::path& folder, Measured& measured) {
  const auto steps = lines_of(folder / "metrics.jsonl");
  measured.loss = loss_line(steps, measured.aligner);
  if (!steps.empty() && steps.back().contains("gates"))
    for (const auto& [name, value] : steps.back().at("gates").items())
      measured.gates.emplace_back(name, value);
  const auto held_out = lines_of(folder / "held_out.jsonl");
  measured.quality = quality_line(held_out, measured.aligner);
  if (!measured.quality.y.empty()) measured.untrained = measured.quality.y.front();
  // Behind the last step the same weights were measured that are loaded now.
  for (const char* part : {"dependence", "alignment", "routing"})
    if (!held_out.empty() && held_out.back().contains(part))
      measured.alignment[part] = held_out.back().at(part).front();
  for (const ordered_json& line : lines_of(folder / "timing.jsonl")) {
    measured.train_seconds += line.at("seconds").get<double>();
    measured.steps = line.at("step");
  }
}

// Right answers and all, of each picture.
struct ByPicture {
  std::vector<double> right, all;
};

ByPicture by_picture(const std::vector<training::Answer>& answers) {
  ByPicture counts;
  for (const training::Answer& answer : answers) {
    if (answer.item >= counts.all.size()) {
      counts.right.resize(answer.item + 1, 0);
      counts.all.resize(answer.item + 1, 0);
    }
    counts.right[answer.item] += answer.exact ? 1 : 0;
    counts.all[answer.item] += 1;
  }
  return counts;
}

double share_in(const ByPicture& counts, std::span<const int64_t> chosen) {
  double right = 0, all = 0;
  for (const int64_t item : chosen) {
    right += counts.right[static_cast<size_t>(item)];
    all += counts.all[static_cast<size_t>(item)];
  }
  return all > 0 ? right / all : 0;
}

Share share_of(const std::vector<training::Answer>& answers) {
  Share share;
  if (answers.empty()) return share;
  const ByPicture counts = by_picture(answers);
  share.share = training::tallies_of(answers).front().share();
  share.answers = std::ssize(answers);
  share.pictures = std::ssize(counts.all);
  share.ci95 = alignment::bootstrap(share.pictures, [&](std::span<const int64_t> chosen) {
                 return std::vector<double>{share_in(counts, chosen)};
               }).front();
  return share;
}

bool are_same_questions(const std::vector<training::Answer>& a,
                        const std::vector<training::Answer>& b) {
  return std::ranges::equal(a, b, [](const training::Answer& x, const training::Answer& y) {
    return x.item == y.item && x.tag == y.tag;
  });
}

}  // namespace

FrozenParts open_frozen(const recipe::Recipe& recipe) {
  const auto locator = layout::ModelLocator::from_environment();
  const fs::path base = locator.find_model(recipe.model.base);
  const JsonView config = JsonView::load(base / "config.json");
  return {layout::load_tower_config(locator.find_piece(
              recipe.model.vision, recipe.file.parent_path(), "model.vision", "")),
          layout::LanguageModelShape::parse(config.string("model_type"), config)};
}

std::vector<ShownQuestion> shown_questions(const recipe::Stage& stage, size_t count) {
  const auto data = training::open_data_set(stage.held_out.data.front());
  std::vector<ShownQuestion> questions;
  for (size_t i = 0; i < data->size() && questions.size() < count; ++i) {
    samples::Sample sample;
    try {
      sample = data->at(i);
    } catch (const samples::BadSample&) {
      continue;  // as it is left out of what is measured
    }
    ShownQuestion shown;
    shown.picture = training::first_picture(sample);
    if (shown.picture.empty()) continue;
    if (const size_t exchanges = sample.turns.size() / 2; exchanges > 0) {
      const size_t turn = 2 * (i % exchanges);
      shown.question = without_marker(sample.turns[turn].text);
      shown.truth = text::strip(sample.turns[turn + 1].text);
    } else if (!sample.document.empty()) {
      shown.truth = text::strip(sample.document.back().text);
    }
    questions.push_back(std::move(shown));
  }
  return questions;
}

double Measured::steps_per_second() const {
  return train_seconds > 0 ? static_cast<double>(steps) / train_seconds : 0;
}

Share Measured::exact() const { return share_of(answers); }
Share Measured::exact_shuffled() const { return share_of(shuffled); }
Share Measured::exact_blank() const { return share_of(blank); }

Measured measure_aligner(const Contestant& contestant, const FrozenParts& frozen,
                         const fs::path& folder, const Place& trained, const LoadOptions& options,
                         const std::vector<ShownQuestion>& questions) {
  const recipe::Stage& stage = contestant.recipe.stages.front();
  Measured measured;
  measured.aligner = contestant.aligner;
  const recipe::FreshAligner& fresh = *contestant.recipe.model.fresh;
  measured.type = fresh.kind == "projector" ? fresh.projector : fresh.kind;
  std::vector<std::string> rates;
  for (const recipe::Group& group : stage.groups)
    rates.push_back(fmt::format("{} {:g}", group.match, group.rate));
  measured.optimizer = stage.optimizer.kind;
  measured.rates = fmt::format("{}", fmt::join(rates, ", "));
  const std::string& form = stage.data.front().conversation_template;
  measured.form = form.empty() ? "the family's own" : form;
  read_logs(folder, measured);

  forget_peak();
  const LoadOptions load = stage_load_options(options, contestant.recipe, stage);
  std::shared_ptr<families::Family> family;
  const auto engine = engine::load_engine(
      [&] { return family = families::load_family(trained.model, trained.base, "", load); }, load);
  ask(*engine, contestant, questions, measured);
  measured.peak_bytes = status_bytes("VmHWM");
  engine->forget();

  training::HeldOut held_out(*family, stage.held_out, training::held_out_cache_bytes(stage));
  measured.answers = held_out.answers(0);
  measured.shuffled = held_out.answers(0, training::MediaChoice::kShuffled);
  measured.blank = held_out.answers(0, training::MediaChoice::kBlank);
  const torch::NoGradGuard no_gradient;
  const families::Example& example = held_out.examples(0).front();
  const auto media = training::encode(*family, std::span(&example, 1));
  const families::EncodedMedia& medium = media.front();
  measured.is_in_sequence = medium.tokens.defined();
  measured.per_picture = measured.is_in_sequence ? medium.rows() : medium.memory->latents.size(0);
  const bool has_tiles = fresh.kind == "projector";
  measured.flops = flops_of(*family, frozen, has_tiles ? example.media.front().shape.at(0) : 1,
                            measured.prompt_rows);
  const Weights weights = weights_of(family->modules());
  measured.trainable = weights.aligner;
  measured.frozen = weights.others;
  measured.weight_bytes = weights.bytes;
  measured.cache_bytes = measured.prompt_rows * frozen.language.cache_bytes(sizeof(float)) +
                         (medium.memory ? bytes_of(*medium.memory) : 0);
  return measured;
}

std::vector<Pair> compare_pairs(const std::vector<Measured>& all) {
  std::vector<Pair> pairs;
  std::vector<double> p;
  for (size_t i = 0; i < all.size(); ++i)
    for (size_t j = i + 1; j < all.size(); ++j) {
      const auto &a = all[i].answers, &b = all[j].answers;
      if (a.empty() || !are_same_questions(a, b)) continue;
      Pair pair;
      pair.a = all[i].aligner;
      pair.b = all[j].aligner;
      for (size_t k = 0; k < a.size(); ++k) {
        pair.only_a += a[k].exact && !b[k].exact ? 1 : 0;
        pair.only_b += !a[k].exact && b[k].exact ? 1 : 0;
      }
      pair.difference =
          static_cast<double>(pair.only_a - pair.only_b) / static_cast<double>(a.size());
      const ByPicture own = by_picture(a), other = by_picture(b);
      pair.ci95 = alignment::bootstrap(std::ssize(own.all), [&](std::span<const int64_t> chosen) {
                    return std::vector<double>{share_in(own, chosen) - share_in(other, chosen)};
                  }).front();
      pair.mcnemar_p = alignment::mcnemar_p(pair.only_a, pair.only_b);
      p.push_back(pair.mcnemar_p);
      pairs.push_back(pair);
    }
  const std::vector<double> adjusted = alignment::holm(p);
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i].holm_p = adjusted[i];
  return pairs;
}

}  // namespace isthmus::cli
