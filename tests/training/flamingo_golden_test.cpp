// OpenFlamingo's training loop against the reference: losses of both data sets, gradients, gates,
// and the weights after its steps. The cases hold whole models and lie beside a development tree;
// without them there is nothing to compare with.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/json_view.h"
#include "families/flamingo/flamingo.h"
#include "families/flamingo/load.h"
#include "formats/npy.h"
#include "nn/slots.h"
#include "training/learner.h"
#include "training/schedule.h"
#include "weights/storage_policy.h"
#include "weights/tensor_of.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;
using families::Example;
using families::flamingo::Flamingo;

std::vector<int64_t> integers(const JsonView& list) {
  std::vector<int64_t> values;
  for (const JsonView& value : list.elements()) values.push_back(value.as_integer());
  return values;
}

std::vector<double> numbers(const JsonView& list) {
  std::vector<double> values;
  for (const JsonView& value : list.elements()) values.push_back(value.as_number());
  return values;
}

// "lang_encoder.gpt_neox.layers.1.gated_cross_attn_layer.attn_gate" and its like.
std::string module_name(const std::string& published, const std::string& embedding) {
  static const std::regex gated(R"(lang_encoder\..*\.(\d+)\.gated_cross_attn_layer\.(.*))");
  std::smatch match;
  if (std::regex_match(published, match, gated))
    return "aligner.cross_attention." + match[1].str() + "." + match[2].str();
  if (published.starts_with("perceiver.")) return "aligner.resampler." + published.substr(10);
  return embedding;
}

class FlamingoTraining {
 public:
  explicit FlamingoTraining(const fs::path& folder)
      : folder_(folder), expect_(JsonView::load(folder / "expect.json")) {
    const fs::path start = fs::path(testing::TempDir()) / "isthmus_flamingo_start";
    fs::create_directories(start);
    const auto absolute = [&](const char* part) { return fs::absolute(folder / "model" / part); };
    std::ofstream(start / "isthmus.json") << nlohmann::json{
        {"family", "flamingo"},
        {"vision", absolute("clip").string()},
        {"language_model", absolute("lm").string()},
        {"checkpoint", absolute("checkpoint.pt").string()},
        {"cross_attn_every_n_layers", expect_.integer("cross_attn_every_n_layers")}};
    family_ = std::dynamic_pointer_cast<Flamingo>(families::flamingo::load(start, "", {}));
    for (const nn::Slot& slot : nn::slots_of(family_->modules()))
      for (const char* glob : {"decoder.*embed*", "decoder.*wte*"})
        if (weights::matches_glob(glob, slot.name) && embedding_.empty()) embedding_ = slot.name;
  }

  void run() {
    const JsonView settings = expect_.at("optimizer"), ids = expect_.at("special_ids");
    const std::vector<int64_t> rows = {ids.integer("endofchunk"), ids.integer("media")};
    ParameterGroup gated{"gated", {}, 1, settings.number("weight_decay_gated")},
        others{"others", {}, 1, settings.number("weight_decay_other")};
    for (const Trainable& trainable :
         make_trainable(family_->modules(),
                        std::vector<TrainablePattern>{{"aligner.*", {}}, {embedding_, rows}}))
      (trainable.name.starts_with("aligner.cross_attention.") ? gated : others)
          .members.push_back(trainable);
    EXPECT_EQ(gated.members.size(), expect_.at("decay_params").elements().size());
    EXPECT_EQ(others.members.size(), expect_.at("no_decay_params").elements().size());
    const auto betas = numbers(settings.at("betas"));
    std::vector<std::unique_ptr<Optimizer>> optimizers;
    optimizers.push_back(make_adamw({gated, others}, {betas[0], betas[1], settings.number("eps")}));
    Learner learner(*family_, std::move(optimizers), {settings.number("clip_norm"), true});

    const auto captions = batch("laion", expect_.at("data").at("laion").at("input_ids"));
    const auto pages = batch("mmc4", expect_.at("mmc4_input_ids"));
    const int64_t accumulation = settings.integer("grad_accum");
    const double share = 1.0 / static_cast<double>(accumulation);
    const Schedule schedule{
        settings.string("scheduler") == "cosine" ? Decay::kCosine : Decay::kConstant,
        settings.number("warmup_steps"), settings.number("num_training_steps", 0)};
    const auto norms = numbers(expect_.at("total_grad_norm_before_clip"));
    const auto caption_losses = numbers(expect_.at("loss_laion"));
    const auto page_losses = numbers(expect_.at("loss_mmc4"));
    size_t done = 0;
    for (int64_t i = 0; i < settings.integer("steps"); ++i) {
      const MicroStep first =
          learner.accumulate(captions, share * settings.number("loss_multiplier_laion"));
      const MicroStep second =
          learner.accumulate(pages, share * settings.number("loss_multiplier_mmc4"));
      const double norm = norms[static_cast<size_t>(i)];
      if (i == 0) expect_first_gradients(learner);
      EXPECT_NEAR(learner.finish_micro_step(), norm, 1e-3 * norm) << "micro-step " << i;
      if ((i + 1) % accumulation != 0) continue;
      // Losses are told with the micro-batch that ends a step.
      const double tolerance = done == 0 ? 1e-4 : 5e-4;
      EXPECT_NEAR(first.loss, caption_losses[done], tolerance * first.loss) << "step " << done;
      EXPECT_NEAR(second.loss, page_losses[done], tolerance * second.loss) << "step " << done;
      const double rate = learning_rate(schedule, settings.number("lr"), static_cast<double>(done));
      EXPECT_NEAR(rate, numbers(expect_.at("lr_per_optimizer_step").elements()[done])[0], 1e-12);
      learner.step(std::vector<double>{rate, rate});
      expect_gates(done++);
    }
    for (const auto& [name, stats] : expect_.at("final_param_stats").members()) {
      const Tensor value = value_of(module_name(name, embedding_));
      const double norm = stats.number("norm");
      EXPECT_NEAR(value.norm().item<double>(), norm, 1e-3 * norm) << name;
    }
    expect_tensor("final_perceiver_latents", value_of("aligner.resampler.latents"));
    expect_tensor("final_new_embedding_rows",
                  value_of(embedding_).index_select(0, torch::tensor(rows, torch::kInt64)));
    EXPECT_EQ(compared_, 6);
  }

 private:
  // Rows with as many pictures as they have markers.
  std::vector<Example> batch(const std::string& name, const JsonView& id_rows) {
    const int64_t media = expect_.at("special_ids").integer("media");
    const int64_t pad = expect_.at("special_ids").integer("pad");
    const Tensor pictures = array_of(name + "_images");
    const auto rows = id_rows.elements(), label_rows = expect_.at(name + "_labels").elements();
    std::vector<Example> batch;
    for (size_t row = 0; row < rows.size(); ++row) {
      const auto ids = integers(rows[row]), labels = integers(label_rows[row]);
      Example& example = batch.emplace_back();
      for (size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] == pad) break;
        if (ids[i] != media) {
          families::append(example.segments, ids[i], labels[i] != -100);
          continue;
        }
        const auto shown = static_cast<int64_t>(example.media.size());
        example.segments.push_back(families::MediaSegment{example.media.size(), media});
        const Tensor pixels = pictures[static_cast<int64_t>(row)][shown].contiguous();
        modalities::Prepared& prepared = example.media.emplace_back();
        prepared.values.assign(pixels.data_ptr<float>(), pixels.data_ptr<float>() + pixels.numel());
        prepared.shape.assign(pixels.sizes().begin(), pixels.sizes().end());
        prepared.modality = "image";
      }
    }
    return batch;
  }

  Tensor array_of(const std::string& name) {
    return weights::tensor_of(formats::read_npy(folder_ / "expect" / (name + ".npy"))).clone();
  }

  Tensor value_of(const std::string& name) {
    for (const nn::Slot& slot : nn::slots_of(family_->modules()))
      if (slot.name == name) return slot.value();
    ADD_FAILURE() << name;
    return torch::zeros({1});
  }

  void expect_tensor(const std::string& name, const Tensor& found) {
    for (const JsonView& tensor : expect_.at("tensors").elements()) {
      if (tensor.string("name") != name) continue;
      ++compared_;
      const Tensor expected = array_of(name);
      const Tensor excess =
          (found - expected).abs() - tensor.number("atol") - tensor.number("rtol") * expected.abs();
      EXPECT_LE(excess.max().item<double>(), 0) << name;
    }
  }

  void expect_first_gradients(Learner& learner) {
    mask_gradients(learner.trainables());
    const auto ids = expect_.at("special_ids");
    const Tensor rows = torch::tensor({ids.integer("endofchunk"), ids.integer("media")});
    const auto norms = expect_.at("grad_norms_step1").members();
    for (const auto& [published, norm] : norms) {
      const std::string name = module_name(published, embedding_);
      for (const Trainable& trainable : learner.trainables()) {
        if (trainable.name != name) continue;
        const Tensor gradient = trainable.value.grad();
        EXPECT_NEAR(gradient.norm().item<double>(), norm.as_number(),
                    2e-3 * norm.as_number() + 1e-6)
            << name;
        if (name == "aligner.resampler.latents") expect_tensor("grad_perceiver_latents", gradient);
        if (name == "aligner.resampler.layers.0.0.to_kv.weight")
          expect_tensor("grad_perceiver_to_kv0", gradient);
        if (published.find("gated_cross_attn_layer.attn.to_q.weight") != std::string::npos &&
            !seen_query_) {
          seen_query_ = true;
          expect_tensor("grad_gated_to_q", gradient);
        }
        if (name == embedding_)
          expect_tensor("grad_new_embedding_rows", gradient.index_select(0, rows));
      }
    }
  }

  void expect_gates(size_t step) {
    const auto gates = expect_.at("gates_after_each_optimizer_step").elements()[step];
    for (const auto& [published, value] : gates.members())
      EXPECT_NEAR(value_of(module_name(published, embedding_)).item<double>(), value.as_number(),
                  2e-5)
          << published << " after step " << step;
  }

  fs::path folder_;
  JsonView expect_;
  std::shared_ptr<Flamingo> family_;
  std::string embedding_;
  bool seen_query_ = false;
  int compared_ = 0;
};

void replay(const std::string& name) {
  for (const fs::path& root :
       {fs::path(ISTHMUS_FIXTURES), fs::path(ISTHMUS_SOURCE_DIR) / "../shared/fixtures"}) {
    const fs::path folder = root / "openflamingo" / name;
    if (!fs::exists(folder / "model")) continue;
    FlamingoTraining(folder).run();
    return;
  }
  GTEST_SKIP() << "the model of the case is not there";
}

TEST(FlamingoTraining, OnAnUntiedLanguageModel) { replay("train_neox"); }
TEST(FlamingoTraining, OnATiedOneWithAccumulation) { replay("train_mpt_tied"); }

}  // namespace
}  // namespace isthmus::training
