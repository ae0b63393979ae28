// Parts that nobody has trained yet: language models, vision towers, and the aligners of all three
// families between published ones.
#include "training/fresh_parts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "error_message.h"
#include "families/flamingo/start.h"
#include "families/onellm/start.h"
#include "formats/checkpoint.h"
#include "isthmus/error.h"
#include "nn/slots.h"
#include "small_llava.h"
#include "training/forward.h"
#include "training/held_out.h"
#include "training/measurements.h"
#include "weights/tensor_of.h"
#include "world/examples.h"
#include "world/words.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;

const fs::path kWords = fs::path(ISTHMUS_SOURCE_DIR) / "recipes/demo/words.txt";
const fs::path kClip = llava_case("train_stage1/model/openai/clip-tiny-patch14-42");
const fs::path kVicuna = llava_case("train_stage1/model/vicuna-tiny");

recipe::FreshLanguageModel small_model() {
  recipe::FreshLanguageModel model;
  model.pieces = kWords;
  model.hidden_size = 32;
  model.intermediate_size = 48;
  model.layers = 2;
  model.heads = 4;
  model.rope_theta = 100;
  return model;
}

std::map<std::string, Tensor> tensors_in(const fs::path& file) {
  const auto stored = formats::Checkpoint::open(file);
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : stored.names())
    tensors[name] = weights::float_tensor_of(stored.at(name));
  return tensors;
}

// A weight of the loaded model.
Tensor weight_of(families::Family& family, const std::string& name) {
  for (const nn::Slot& slot : nn::slots_of(family.modules()))
    if (slot.name == name) return slot.value();
  ADD_FAILURE() << "no weight " << name;
  return {};
}

Tensor logits(families::Family& family, std::vector<int64_t> ids) {
  const torch::NoGradGuard no_gradient;
  const families::Example example{{families::TextSegment{std::move(ids)}}, {}, 0};
  return family.language_model().logits(forward(family, std::span(&example, 1)).hidden);
}

// How much a head of the first block looks `distance` places back, by the constant channel alone:
// its rows of the two maps, turned by their places.
double attraction(const std::map<std::string, Tensor>& tensors, double theta, int64_t head,
                  int64_t distance) {
  constexpr int64_t kWidth = 8, kHalf = kWidth / 2;
  const auto rows = [&](const char* map) {
    const Tensor rows =
        tensors.at(std::string("model.layers.0.self_attn.") + map + ".weight").select(1, 0);
    std::vector<std::complex<double>> pairs;
    for (int64_t j = 0; j < kHalf; ++j)
      pairs.emplace_back(rows[head * kWidth + j].item<double>(),
                         rows[head * kWidth + kHalf + j].item<double>());
    return pairs;
  };
  const auto query = rows("q_proj"), key = rows("k_proj");
  double sum = 0;
  for (size_t j = 0; j < query.size(); ++j) {
    const double angle = std::pow(theta, -static_cast<double>(j) / kHalf);
    const auto turned = query[j] * std::polar(1.0, angle * static_cast<double>(distance));
    sum += (turned * std::conj(key[j])).real();
  }
  return sum;
}

TEST(FreshLanguageModel, HeadsOfTheFirstBlockLookAtThePlacesBefore) {
  recipe::FreshLanguageModel model = small_model();
  model.previous_token_heads = true;
  const fs::path folder = fresh_folder("fresh_heads");
  write_language_model(model, 3, folder);
  const auto tensors = tensors_in(folder / "model.safetensors");
  const Tensor constant = tensors.at("model.embed_tokens.weight").select(1, 0);
  EXPECT_TRUE(torch::equal(constant, torch::full_like(constant, .35f)));
  for (int64_t head = 0; head < model.heads; ++head) {
    std::vector<double> found;
    for (int64_t distance = 0; distance < 24; ++distance)
      found.push_back(attraction(tensors, model.rope_theta, head, distance));
    const auto most = std::max_element(found.begin(), found.end()) - found.begin();
    EXPECT_EQ(most, head + 1);
    EXPECT_NEAR(found[static_cast<size_t>(most)], 4 * 1.2 * 1.2, 1e-5);
  }
  // Asked for only: else channel 0 is drawn like the others.
  model.previous_token_heads = false;
  write_language_model(model, 3, folder);
  const auto plain = tensors_in(folder / "model.safetensors");
  EXPECT_GT(plain.at("model.embed_tokens.weight").select(1, 0).std().item<double>(), .05);
}

TEST(FreshLanguageModel, LoadsAndIsTheSameForTheSameSeed) {
  const fs::path a = fresh_folder("fresh_a"), b = fresh_folder("fresh_b"),
                 c = fresh_folder("fresh_c");
  write_language_model(small_model(), 3, a);
  write_language_model(small_model(), 3, b);
  write_language_model(small_model(), 4, c);
  const auto first = tensors_in(a / "model.safetensors");
  expect_same_bits(first, tensors_in(b / "model.safetensors"));
  const std::string some = "model.layers.1.mlp.down_proj.weight";
  EXPECT_FALSE(torch::equal(first.at(some), tensors_in(c / "model.safetensors").at(some)));
  // Variance .25 / (2 L f).
  EXPECT_NEAR(first.at(some).std().item<double>(), .5 / std::sqrt(4.0 * 48), .003);

  const auto family = families::load_family(a.string(), "", "", {});
  const auto ids = family->tokenizer()->encode("a red cube at the left .", true);
  EXPECT_EQ(ids.size(), 8u);
  EXPECT_EQ(family->tokenizer()->decode(ids, true), "a red cube at the left .");
  const Tensor found = logits(*family, ids);
  EXPECT_EQ(found.size(2), static_cast<int64_t>(family->tokenizer()->vocab_size()));
  EXPECT_TRUE(found.isfinite().all().item<bool>());
}

TEST(FreshLanguageModel, SizesThatDoNotFitAreRefused) {
  recipe::FreshLanguageModel model = small_model();
  model.heads = 3;
  const fs::path folder = fresh_folder("fresh_wrong");
  EXPECT_NE(message_of<UsageError>([&] {
              write_language_model(model, 1, folder);
            }).find("model.fresh: heads do not share hidden_size"),
            std::string::npos);
  model = small_model();
  model.pieces = folder / "none.txt";
  EXPECT_NE(message_of<InputError>([&] {
              write_language_model(model, 1, folder);
            }).find("none.txt: cannot be opened"),
            std::string::npos);
}

TEST(FreshLanguageModel, LearnsFromItsRecipe) {
  const fs::path folder = fresh_folder("fresh_learns");
  const recipe::Recipe recipe = written(
      folder,
      "model:\n  fresh: {kind: language_model, pieces: " + kWords.string() +
          ", hidden_size: 32, intermediate_size: 48, layers: 1, heads: 4, rope_theta: 100}\n"
          "stages:\n  - name: text\n    trainable: [\"decoder.*\"]\n    combine: together\n"
          "    data:\n      - {type: world, kind: chat, batch: 2, max_length: 128}\n"
          "      - {type: world, kind: rows, max_length: 64}\n"
          "    batch: 4\n    steps: 6\n    optimizer: {kind: muon}\n"
          "    groups: [{match: \"*\", rate: 2.0e-2}]\n");
  write_fresh(recipe, 1, folder / "start");
  const auto family = families::load_family((folder / "start").string(), "", "", {});
  const Outcome outcome = run_stage(*family, recipe, folder / "checkpoints");
  ASSERT_TRUE(outcome.finished);
  EXPECT_LT(outcome.losses.back(), outcome.losses.front());
  family->save(folder / "model", {.dtype = "f32"});
  const auto again = families::load_family((folder / "model").string(), "", "", {});
  const std::vector<int64_t> ids = {1, 40, 41, 42};
  EXPECT_LT((logits(*again, ids) - logits(*family, ids)).abs().max().item<double>(), 1e-5);
}

TEST(DemoWords, HoldEveryWordOfTheWorldWithAndWithoutABlank) {
  std::ifstream stream(kWords);
  std::set<std::string> pieces;
  for (std::string line; std::getline(stream, line);)
    EXPECT_TRUE(pieces.insert(line).second) << line;
  for (const std::string& word : world::vocabulary()) {
    if (word.front() == '<') continue;  // a mark
    EXPECT_TRUE(pieces.contains(word)) << word;
    EXPECT_TRUE(pieces.contains("_" + word)) << word;
  }
}

const char* const kTower =
    "{projector: mlp2x_gelu, tower: {hidden_size: 16, intermediate_size: 24, layers: 2, heads: 2, "
    "image_size: 32, patch_size: 16}}";

std::string without_vision(std::string text) {
  const size_t at = text.find("\n  vision: ");
  return text.erase(at, text.find('\n', at + 1) - at);
}

TEST(FreshTower, LearnsBelowAFreshProjectorAndIsSavedAsATower) {
  const fs::path folder = fresh_folder("tower");
  const std::string text =
      replaced(recipe_text(), "[\"aligner.*\"]", "[\"aligner.*\", \"encoder.*\"]");
  const recipe::Recipe recipe =
      written(folder, without_vision(replaced(text, "{projector: mlp2x_gelu}", kTower)));
  ASSERT_TRUE(recipe.model.vision.empty());
  const auto family = fresh_llava(folder, recipe);
  EXPECT_TRUE(fs::exists(folder / "start/vision/preprocessor_config.json"));
  const Outcome outcome = run_stage(*family, recipe, folder / "checkpoints");
  ASSERT_TRUE(outcome.finished);
  EXPECT_LT(outcome.losses.back(), outcome.losses.front());
  family->save(folder / "llava-model", {.dtype = "f32"});
  const auto again = families::load_family((folder / "llava-model").string(), "", "", {});
  for (const nn::Slot& slot : nn::slots_of(family->modules()))
    if (slot.name.starts_with("encoder.") && slot.value().defined()) {
      EXPECT_TRUE(torch::equal(slot.value(), weight_of(*again, slot.name))) << slot.name;
    }
}

TEST(FreshTower, SizesThatDoNotFitAreRefused) {
  const fs::path folder = fresh_folder("tower_wrong");
  recipe::FreshTower tower;
  tower.patch_size = 7;
  EXPECT_NE(message_of<UsageError>([&] {
              write_vision_tower(tower, 1, folder);
            }).find("tower.patch_size does not divide tower.image_size"),
            std::string::npos);
  tower = {};
  tower.heads = 5;
  EXPECT_NE(message_of<UsageError>([&] {
              write_vision_tower(tower, 1, folder);
            }).find("tower.heads do not share tower.hidden_size"),
            std::string::npos);
}

TEST(FreshFlamingo, ItsGatesStandWhereTheyAreAsked) {
  const fs::path parts = fs::path(ISTHMUS_FIXTURES) / "openflamingo/neox_pythia_parallel/model";
  const fs::path folder = fresh_folder("flamingo");
  const recipe::Recipe recipe = written(
      folder, "model:\n  base: " + (parts / "lm").string() +
                  "\n  vision: " + (parts / "clip").string() +
                  "\n  fresh: {kind: gated_cross_attention, cross_attn_every_n_layers: 2, "
                  "resampler_layers: 1, resampler_heads: 2, latents: 4, cross_attention_heads: 1, "
                  "feed_forward: 2, gate: 0.5}\n"
                  "stages:\n  - name: one\n    trainable: [\"aligner.*\"]\n    batch: 2\n"
                  "    data: [{type: world, kind: captions, side: 32}]\n"
                  "    steps: 2\n    groups: [{match: \"*\", rate: 1.0e-3}]\n");
  write_fresh(recipe, 1, folder / "start");
  const auto family = families::load_family((folder / "start").string(), "", "", {});
  size_t gates = 0;
  for (const nn::Slot& slot : nn::slots_of(family->modules()))
    if (slot.name.ends_with("_gate")) {
      ++gates;
      EXPECT_EQ(slot.value().item<float>(), .5f) << slot.name;
    }
  EXPECT_EQ(gates, 2u * 2);  // of four blocks, every second one
  EXPECT_EQ(weight_of(*family, "aligner.resampler.latents").sizes()[0], 4);
  const Outcome outcome = run_stage(*family, recipe, folder / "checkpoints");
  EXPECT_TRUE(outcome.finished);
  EXPECT_NE(weight_of(*family, "aligner.cross_attention.1.attn_gate").item<float>(), .5f);
  // Features that are kept change nothing.
  recipe::Recipe cached = recipe;
  cached.stages[0].cache_mb = 4;
  const auto other = families::load_family((folder / "start").string(), "", "", {});
  EXPECT_EQ(run_stage(*other, cached, folder / "cached").losses, outcome.losses);
  expect_same_bits(learnt(*other), learnt(*family));

  families::flamingo::StartOptions wrong;
  wrong.latents = 0;
  EXPECT_NE(message_of<UsageError>([&] {
              families::flamingo::write_new((parts / "lm").string(), (parts / "clip").string(),
                                            wrong, folder / "wrong");
            }).find("above 0"),
            std::string::npos);
}

families::onellm::StartOptions small_onellm() {
  families::onellm::StartOptions options;
  options.modalities = {"image"};
  options.experts = 1;
  options.resampler_layers = 2;
  options.resampler_width = 24;
  options.sizes = {{"resampler_heads", {2}}, {"resample_tokens", {4}}};
  options.seed = 5;
  options.dtype = "f32";
  return options;
}

TEST(FreshOneLlm, ItsLanguageModelIsTheOneItStandsOn) {
  const fs::path folder = fresh_folder("onellm_new");
  families::onellm::write_new(kVicuna, kClip, small_onellm(), folder);
  const auto family = families::load_family(folder.string(), "", "", {});
  const auto base = families::load_family(kVicuna.string(), "", "", {});
  const std::vector<int64_t> ids = {1, 300, 17, 501, 44, 290};
  EXPECT_LT((logits(*family, ids) - logits(*base, ids)).abs().max().item<double>(), 1e-5);
}

TEST(FreshOneLlm, GrowsModalitiesAndExpertsOutOfThePictures) {
  const fs::path early = fresh_folder("onellm_early"), late = fresh_folder("onellm_late");
  families::onellm::write_new(kVicuna, kClip, small_onellm(), early);
  families::onellm::StartOptions options = small_onellm();
  options.modalities = {"imu", "points"};
  options.experts = 2;
  options.seed = 6;
  options.sizes.insert({{"imu_window", {40}}, {"point_groups", {8}}, {"point_group_size", {4}}});
  families::onellm::write_grown(early, "", options, late);
  const auto before = families::load_family(early.string(), "", "", {}),
             now = families::load_family(late.string(), "", "", {});
  for (const nn::Slot& slot : nn::slots_of(before->modules()))
    if (slot.name.find("experts.") == std::string::npos) {
      EXPECT_TRUE(torch::equal(slot.value(), weight_of(*now, slot.name))) << slot.name;
    }
  const std::string tokens = "aligner.resample_tokens.";
  EXPECT_TRUE(torch::equal(weight_of(*now, tokens + "imu"), weight_of(*before, tokens + "image")));
  std::set<std::string> experts;
  for (const nn::Slot& slot : nn::slots_of(now->modules()))
    if (slot.name.starts_with("aligner.experts."))
      experts.insert(slot.name.substr(0, slot.name.find('.', 16)));
  EXPECT_EQ(experts.size(), 2u);
  for (const nn::Slot& slot : nn::slots_of(now->modules()))
    if (slot.name.starts_with("aligner.experts.1.")) {
      const std::string twin = "aligner.experts.0" + slot.name.substr(17);
      EXPECT_TRUE(torch::equal(slot.value(), weight_of(*now, twin))) << slot.name;
    }
}

// A step takes a sample of every kind, and every kind has its share in the routing.
TEST(FreshOneLlm, LearnsFromEveryModality) {
  const fs::path folder = fresh_folder("onellm_all");
  std::string modalities, data;
  for (const std::string_view modality : world::kModalities) {
    modalities += std::string(modalities.empty() ? "" : ", ") + std::string(modality);
    data += "      - {type: world, kind: captions, side: 32, modality: " + std::string(modality) +
            "}\n";
  }
  const recipe::Recipe recipe = written(
      folder,
      llava_model_text(
          "{kind: universal_projection, modalities: [" + modalities +
          "], experts: 2, resampler_layers: 1, resampler_width: 16, sizes: {resampler_heads: 2, "
          "resample_tokens: 4, audio_window: [128, 64], imu_stride: 30, fmri_voxels: 512, "
          "fmri_tokens: 2, point_groups: 8, point_group_size: 4}}") +
          "stages:\n  - name: one\n    trainable: [\"aligner.*\", \"encoder.tokenizers.*\"]\n"
          "    dtype: f32\n    combine: together\n    data:\n" +
          data +
          "    batch: 1\n    steps: 1\n    groups: [{match: \"*\", rate: 1.0e-3}]\n"
          "    held_out:\n      samples: 2\n      data:\n" +
          data);
  write_fresh(recipe, 1, folder / "start");
  const auto family = families::load_family((folder / "start").string(), "", "", {});
  const Outcome outcome = run_stage(*family, recipe, folder / "checkpoints");
  ASSERT_TRUE(outcome.finished);
  EXPECT_EQ(outcome.losses.size(), world::kModalities.size());
  for (const double loss : outcome.losses) EXPECT_TRUE(std::isfinite(loss));
  HeldOut held_out(*family, recipe.stages[0].held_out, size_t{1} << 20);
  for (size_t e = 0; e < held_out.size(); ++e) {
    const auto found = measure(*family, held_out, e);
    const auto routing = found.at("routing").at(std::string(world::kModalities[e]));
    ASSERT_EQ(routing.size(), 2u);
    EXPECT_NEAR(routing[0].get<double>() + routing[1].get<double>(), 1, 1e-5) << held_out.name(e);
    EXPECT_GT(found.at("loss").get<double>(), 0);
  }
  family->save(folder / "model", {.dtype = "f32"});
  const auto again = families::load_family((folder / "model").string(), "", "", {});
  for (const nn::Slot& slot : nn::slots_of(family->modules()))
    EXPECT_TRUE(torch::equal(slot.value(), weight_of(*again, slot.name))) << slot.name;
}

TEST(FreshOneLlm, UnknownModalitiesAndSizesAreRefused) {
  const fs::path folder = fresh_folder("onellm_wrong");
  const auto error = [&](const families::onellm::StartOptions& options) {
    return message_of<UsageError>(
        [&] { families::onellm::write_new(kVicuna, kClip, options, folder); });
  };
  auto options = small_onellm();
  options.modalities = {"image", "smell"};
  EXPECT_NE(error(options).find("\"smell\" is none that is known"), std::string::npos)
      << error(options);
  options = small_onellm();
  options.sizes["imu_windows"] = {4};
  EXPECT_NE(error(options).find("model.fresh.sizes.imu_windows: unknown"), std::string::npos);
  options = small_onellm();
  options.sizes["resampler_heads"] = {7};
  EXPECT_NE(error(options).find("7 heads do not share the encoder's width"), std::string::npos);
}

}  // namespace
}  // namespace isthmus::training
