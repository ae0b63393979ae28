// LLaVA's three ways of training against the reference: ids and labels, losses, gradients, and the
// weights after five steps.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/json_view.h"
#include "families/llava/examples.h"
#include "families/llava/llava.h"
#include "families/llava/load.h"
#include "formats/checkpoint.h"
#include "formats/npy.h"
#include "formats/torch_checkpoint.h"
#include "nn/slots.h"
#include "samples/conversations.h"
#include "training/learner.h"
#include "training/schedule.h"
#include "weights/tensor_of.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;
using families::Example;
using families::llava::ExampleRules;

const fs::path kCases = fs::path(ISTHMUS_FIXTURES) / "llava";
const fs::path kParts = kCases / "train_stage1/model";  // the same in all three

std::vector<int64_t> integers_of(const JsonView& list) {
  std::vector<int64_t> values;
  for (const JsonView& value : list.elements()) values.push_back(value.as_integer());
  return values;
}

class LlavaTraining {
 public:
  explicit LlavaTraining(const std::string& name)
      : folder_(kCases / name), expect_(JsonView::load(folder_ / "expect.json")) {
    const JsonView settings = expect_.at("settings");
    rules_.conversation_template = settings.string("version");
    rules_.max_length = settings.integer("model_max_length");
    family_ = load(settings);
    const fs::path inputs = fs::exists(folder_ / "inputs/data.json")
                                ? folder_ / "inputs"
                                : kCases / "train_stage2/inputs";
    data_ =
        samples::open_conversations(inputs / "data.json", {kCases / "train_stage1/inputs/images"});
  }

  void expect_ids_and_labels() {
    const auto expected = expect_.at("samples").elements();
    ASSERT_EQ(data_->size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto found = families::llava::label(data_->at(i), rules_, *family_->tokenizer());
      EXPECT_EQ(found.ids, integers_of(expected[i].at("input_ids"))) << i;
      std::vector<int64_t> labels;
      for (size_t k = 0; k < found.ids.size(); ++k)
        labels.push_back(found.targets[k] ? found.ids[k] : -100);
      EXPECT_EQ(labels, integers_of(expected[i].at("labels"))) << i;
    }
  }

  std::vector<Example> examples(const JsonView& indices) {
    families::ExampleOptions options;
    options.conversation_template = rules_.conversation_template;
    options.max_length = rules_.max_length;
    std::vector<Example> batch;
    for (const int64_t i : integers_of(indices))
      batch.push_back(family_->example(data_->at(static_cast<size_t>(i)), options));
    return batch;
  }

  std::unique_ptr<Learner> learner(const std::vector<TrainablePattern>& patterns) {
    const JsonView settings = expect_.at("settings");
    const double rate = settings.number("learning_rate");
    const double projector_rate = settings.number("mm_projector_lr", rate);
    ParameterGroup language{"language", {}, rate, 0}, projector{"projector", {}, projector_rate, 0};
    for (const Trainable& trainable : make_trainable(family_->modules(), patterns))
      (trainable.name.starts_with("aligner.") ? projector : language).members.push_back(trainable);
    std::vector<std::unique_ptr<Optimizer>> optimizers;
    optimizers.push_back(make_adamw({language, projector}, {}));
    return std::make_unique<Learner>(*family_, std::move(optimizers), LearnerOptions{});
  }

  void expect_training(const std::vector<TrainablePattern>& patterns, int64_t num_parameters) {
    const auto learner = this->learner(patterns);
    int64_t count = 0;
    for (const Trainable& trainable : learner->trainables()) count += trainable.count();
    EXPECT_EQ(count, num_parameters);
    expect_first_gradients(*learner);
    const JsonView settings = expect_.at("settings");
    const auto steps = static_cast<double>(settings.integer("max_steps"));
    const Schedule schedule{Decay::kCosine, std::ceil(steps * settings.number("warmup_ratio")),
                            steps};
    double at = 0;
    for (const JsonView& step : expect_.at("training").at("steps").elements()) {
      const MicroStep found = learner->accumulate(examples(step.at("samples")), 1);
      EXPECT_NEAR(found.loss, step.number("loss"), 1e-4 * step.number("loss")) << at;
      const auto rates = step.at("lr").elements();
      EXPECT_NEAR(learning_rate(schedule, settings.number("learning_rate"), at),
                  rates.front().as_number(), 1e-12);
      const double norm = learner->step(learning_rate(schedule, 1, at));
      EXPECT_NEAR(norm, step.number("grad_norm_before_clip"), 1e-4 * norm) << at;
      ++at;
    }
    for (const auto& [name, value] : values()) expect_tensor("final." + name, value);
  }

 private:
  std::shared_ptr<families::llava::Llava> load(const JsonView& settings) {
    const bool lora = settings.contains("lora");
    const fs::path start = fs::path(testing::TempDir()) /
                           ("isthmus_llava_start_" + std::string(lora ? "lora" : "projector"));
    fs::remove_all(start);
    fs::create_directories(start);
    std::ifstream stream(kParts / "vicuna-tiny/config.json");
    auto config = nlohmann::json::parse(stream);
    config.update({{"model_type", "llava_llama"},
                   {"architectures", {"LlavaLlamaForCausalLM"}},
                   {"mm_vision_tower", "openai/clip-tiny-patch14-42"},
                   {"mm_hidden_size", 40},
                   {"mm_projector_type", settings.string("mm_projector_type")},
                   {"mm_vision_select_layer", settings.integer("mm_vision_select_layer")},
                   {"mm_vision_select_feature", "patch"},
                   {"image_aspect_ratio", settings.string("image_aspect_ratio")},
                   {"use_mm_proj", true}});
    std::ofstream(start / "config.json") << config;
    const bool first_stage = settings.integer("stage") == 1;
    const fs::path projector =
        (first_stage ? kParts : kCases / "train_stage2/model") / "init_mm_projector.bin";
    if (lora) {
      for (const char* file : {"adapter_config.json", "adapter_model.safetensors"})
        fs::copy_file(kCases / "train_lora/model/init_lora" / file, start / file);
      const auto stored = formats::Checkpoint::open(projector);
      std::vector<formats::RawTensor> tensors;
      for (const std::string& name : stored.names()) {
        tensors.push_back(stored.at(name));
        tensors.back().name = "base_model.model." + name;
      }
      formats::write_torch_checkpoint(start / "non_lora_trainables.bin", tensors);
    } else {
      fs::copy_file(projector, start / "mm_projector.bin");
    }
    LoadOptions options;
    options.vision = (kParts / "openai/clip-tiny-patch14-42").string();
    options.merge_lora = false;
    return std::dynamic_pointer_cast<families::llava::Llava>(families::llava::load(
        start.string(), (kParts / "vicuna-tiny").string(), "llava-start", options));
  }

  void expect_first_gradients(Learner& learner) {
    const JsonView first = expect_.at("first_batch");
    const MicroStep found = learner.accumulate(examples(first.at("samples")), 1);
    EXPECT_NEAR(found.loss, first.number("loss"), 1e-4 * first.number("loss"));
    const double norm = gradient_norm(learner.trainables());
    EXPECT_NEAR(norm, first.number("grad_norm_total"), 1e-4 * norm);
    for (const Trainable& trainable : learner.trainables())
      expect_tensor("grad0." + published(trainable.name), trainable.value.grad());
    learner.drop_gradients();
  }

  // "aligner.projector.0.weight" is "mm_projector.0.weight" in the case.
  static std::string published(std::string name) {
    static const std::map<std::string, std::string> kRenamed = {
        {"aligner.projector.", "mm_projector."},
        {"decoder.lm_head.", "lm_head."},
        {"decoder.", "model."}};
    for (const char* prefix : {"aligner.projector.", "decoder.lm_head.", "decoder."})
      if (name.starts_with(prefix))
        return kRenamed.at(prefix) + name.substr(std::string_view(prefix).size());
    return name;
  }

  std::map<std::string, Tensor> values() {
    std::map<std::string, Tensor> values;
    for (const nn::Slot& slot : nn::slots_of(family_->modules()))
      values[published(slot.name)] = slot.value();
    return values;
  }

  void expect_tensor(const std::string& name, const Tensor& found) {
    for (const JsonView& tensor : expect_.at("tensors").elements()) {
      if (tensor.string("name") != name) continue;
      ++compared_;
      const Tensor expected =
          weights::tensor_of(formats::read_npy(folder_ / tensor.string("file"))).clone();
      const Tensor excess =
          (found - expected).abs() - tensor.number("atol") - tensor.number("rtol") * expected.abs();
      EXPECT_LE(excess.max().item<double>(), 0) << name;
    }
  }

 public:
  int compared_ = 0;

 private:
  fs::path folder_;
  JsonView expect_;
  ExampleRules rules_;
  std::shared_ptr<families::llava::Llava> family_;
  std::unique_ptr<samples::DataSet> data_;
};

TEST(LlavaTraining, StageOneTrainsTheProjector) {
  LlavaTraining training("train_stage1");
  training.expect_ids_and_labels();
  training.expect_training({{"aligner.*", {}}}, 4320);
  EXPECT_EQ(training.compared_, 8);
}

TEST(LlavaTraining, StageTwoTrainsTheLanguageModelToo) {
  LlavaTraining training("train_stage2");
  training.expect_ids_and_labels();
  training.expect_training({{"aligner.*", {}}, {"decoder.*", {}}}, 115536);
  EXPECT_EQ(training.compared_, 18);
}

TEST(LlavaTraining, LoraTrainsItsOwnMatrices) {
  LlavaTraining training("train_lora");
  training.expect_ids_and_labels();
  training.expect_training({{"aligner.*", {}}, {"decoder.*lora_*", {}}}, 13824);
  EXPECT_EQ(training.compared_, 16);
}

}  // namespace
}  // namespace isthmus::training
