// OneLLM's stages against the reference: labels, losses, gradients by group, and the weights after
// five steps.
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "base/json_view.h"
#include "families/onellm/examples.h"
#include "families/onellm/load.h"
#include "families/onellm/onellm.h"
#include "families/onellm/start.h"
#include "families/registry.h"
#include "formats/npy.h"
#include "layout/onellm_names.h"
#include "nn/slots.h"
#include "training/learner.h"
#include "training/schedule.h"
#include "weights/storage_policy.h"
#include "weights/tensor_of.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;
using families::Example;
using families::LabelledIds;
using families::onellm::OneLlm;

const fs::path kFolder = fs::path(ISTHMUS_FIXTURES) / "onellm/train";
const fs::path kBase = fs::path(ISTHMUS_FIXTURES) / "onellm/tiny";

const std::map<std::string, std::vector<std::string>> kGroups = {
    {"llm", {"decoder.*"}},
    {"tokenizers", {"encoder.tokenizers.*"}},
    {"routers", {"aligner.routers.*"}},
    {"experts", {"aligner.experts.*"}},
    {"resample_tokens", {"aligner.resample_tokens.*"}},
    {"clip_proj", {"aligner.clip_proj1.*", "aligner.clip_proj2.*"}},
    {"tags", {"aligner.start_tag.*", "aligner.end_tag.*"}},
};

std::vector<int64_t> integers_in(const JsonView& list) {
  std::vector<int64_t> values;
  for (const JsonView& value : list.elements()) values.push_back(value.as_integer());
  return values;
}

Tensor array_of(const fs::path& file) {
  return weights::tensor_of(formats::read_npy(file)).to(torch::kFloat).clone();
}

std::string group_of(const std::string& name) {
  for (const auto& [group, globs] : kGroups)
    for (const std::string& glob : globs)
      if (weights::matches_glob(glob, name)) return group;
  return "none";
}

// Biases and the weights of LLaMA's norms do not decay; those of CLIP's kind of norm do.
bool decays(const std::string& name) {
  for (const char* glob : {"*.bias", "decoder.*norm.weight", "aligner.experts.*norm.weight"})
    if (weights::matches_glob(glob, name)) return false;
  return true;
}

std::vector<std::string> weight_names(const fs::path& model) {
  const auto opened =
      layout::OneLlmModel::open(layout::find_onellm(model, "", layout::ModelLocator{}));
  std::vector<std::string> names;
  for (const auto& [name, tensor] : opened.tensors.all()) names.push_back("llma." + name);
  return names;
}

class OneLlmTraining {
 public:
  explicit OneLlmTraining(const std::string& stage)
      : stage_(stage),
        expect_(JsonView::load(kFolder / "expect.json").at(stage)),
        family_(
            std::dynamic_pointer_cast<OneLlm>(families::onellm::load(kBase / "model", "", {}))) {}

  void run() {
    std::vector<TrainablePattern> patterns;
    for (const JsonView& group : expect_.at("trainable_groups").elements())
      for (const std::string& glob : kGroups.at(group.as_string())) patterns.push_back({glob, {}});
    const double weight_decay = expect_.number("weight_decay");
    ParameterGroup decay{"decay", {}, 1, weight_decay}, no_decay{"no_decay", {}, 1, 0};
    for (const Trainable& trainable : make_trainable(family_->modules(), patterns))
      (decays(trainable.name) ? decay : no_decay).members.push_back(trainable);
    const JsonView counts = expect_.at("param_tensors_per_group");
    EXPECT_EQ(static_cast<int64_t>(decay.members.size()),
              counts.integer("decay") + counts.integer("scratch_decay"));
    EXPECT_EQ(static_cast<int64_t>(no_decay.members.size()),
              counts.integer("no_decay") + counts.integer("scratch_no_decay"));
    const auto betas = expect_.at("betas").elements();
    std::vector<std::unique_ptr<Optimizer>> optimizers;
    optimizers.push_back(make_adamw(
        {decay, no_decay}, {betas[0].as_number(), betas[1].as_number(), expect_.number("eps")}));
    Learner learner(*family_, std::move(optimizers), {expect_.number("clip_grad_norm")});
    std::map<std::string, Tensor> before;
    for (const Trainable& trainable : learner.trainables())
      before[trainable.name] = trainable.value.detach().clone();

    const auto steps = expect_.at("steps").elements();
    for (size_t i = 0; i < steps.size(); ++i) step(learner, steps[i], i, steps.size());

    const torch::NoGradGuard no_gradient;
    std::map<std::string, double> moved;
    for (const Trainable& trainable : learner.trainables())
      moved[group_of(trainable.name)] +=
          (trainable.value - before.at(trainable.name)).square().sum().item<double>();
    for (const auto& [group, norm] : expect_.at("update_norm_after").members())
      EXPECT_NEAR(std::sqrt(moved[group]), norm.as_number(), 2e-3 * norm.as_number()) << group;
    const double loss = learner.loss(batch(steps.front())).mean.item<double>();
    const double expected = expect_.number("loss_of_first_batch_after");
    EXPECT_NEAR(loss, expected, 1e-3 * expected);
    for (const auto& [name, file] : expect_.at("tensors_after").members())
      expect_near(value_of(name), array_of(kFolder / file.as_string()), name);
  }

 private:
  void step(Learner& learner, const JsonView& step, size_t i, size_t count) {
    const MicroStep found = learner.accumulate(batch(step), 1);
    const double loss = step.number("loss");
    EXPECT_NEAR(found.loss, loss, (i == 0 ? 1e-4 : 1e-3) * loss) << stage_ << " " << i;
    std::map<std::string, double> squares;
    for (const Trainable& trainable : learner.trainables())
      if (trainable.value.grad().defined())
        squares[group_of(trainable.name)] += trainable.value.grad().square().sum().item<double>();
    for (const auto& [group, norm] : step.at("group_grad_norms").members())
      EXPECT_NEAR(std::sqrt(squares[group]), norm.as_number(), 2e-3 * norm.as_number())
          << stage_ << " " << i << " " << group;
    if (i == 0) expect_first_gradients(learner);
    const JsonView schedule = expect_.at("schedule");
    const bool epochs = schedule.boolean("by_epoch");
    const Schedule own{Decay::kCosine,
                       epochs ? schedule.number("warmup_epochs") : schedule.number("warmup_iters"),
                       epochs ? schedule.number("epochs") : schedule.number("lr_decay_iters"),
                       schedule.number("min_lr")};
    const double at =
        epochs ? static_cast<double>(i) / static_cast<double>(count) : static_cast<double>(i);
    const double rate = learning_rate(own, schedule.number("lr"), at);
    EXPECT_NEAR(rate, step.number("lr"), 1e-12);
    const double norm = learner.step(std::vector<double>{rate, rate});
    EXPECT_NEAR(norm, step.number("grad_norm_before_clip"), 2e-3 * norm) << stage_ << " " << i;
  }

  // Two rows: the first of the base case's input, and a changed copy.
  std::vector<Example> batch(const JsonView& step) {
    const std::string key = step.string("modality");
    const auto ids = step.at("examples").elements(), labels = step.at("labels").elements();
    Tensor media;
    if (key != "text") {
      if (stage_ == "instruct") {
        media = array_of(kFolder / "inputs/instruct_image.npy");
      } else {
        const Tensor first = array_of(kBase / "expect" / (key + ".input.npy"))[0];
        media = torch::stack({first, 0.9 * first + 0.05});
      }
    }
    std::vector<Example> batch;
    for (size_t row = 0; row < ids.size(); ++row) {
      LabelledIds labelled;
      labelled.ids = integers_in(ids[row]);
      for (const int64_t label : integers_in(labels[row])) labelled.targets.push_back(label != 0);
      Example& example = batch.emplace_back();
      example.segments = families::onellm::with_labels(labelled, media.defined() ? 1 : 0);
      if (media.defined()) example.media.push_back(prepared(media[static_cast<int64_t>(row)], key));
    }
    return batch;
  }

  static modalities::Prepared prepared(const Tensor& row, const std::string& key) {
    const Tensor dense = (key == "image" && row.dim() == 3 ? row.unsqueeze(0) : row).contiguous();
    modalities::Prepared prepared;
    prepared.values.assign(dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel());
    prepared.shape.assign(dense.sizes().begin(), dense.sizes().end());
    prepared.modality = layout::request_name(key);
    return prepared;
  }

  std::string slot_of(const std::string& published) const {
    const auto names = layout::onellm_names("llma.", family_->model().config.modalities).map;
    return names.to_module(published)->name;
  }

  Tensor value_of(const std::string& published) {
    for (const nn::Slot& slot : nn::slots_of(family_->modules()))
      if (slot.name == slot_of(published)) return slot.value();
    ADD_FAILURE() << published;
    return {};
  }

  void expect_first_gradients(Learner& learner) {
    const std::string prefix = stage_ + ".step0.grad.";
    const double clipped =
        expect_.number("clip_grad_norm") / (gradient_norm(learner.trainables()) + 1e-6);
    for (const auto& entry : fs::directory_iterator(kFolder / "expect")) {
      const std::string name = entry.path().stem().string();
      if (!name.starts_with(prefix)) continue;
      const std::string slot = slot_of(name.substr(prefix.size()));
      for (const Trainable& trainable : learner.trainables())
        if (trainable.name == slot)
          // Its README says before clipping; the numbers are those behind it.
          expect_near(trainable.value.grad() * clipped, array_of(entry.path()), name);
    }
  }

  static void expect_near(const Tensor& found, const Tensor& expected, const std::string& name) {
    EXPECT_LE((found.reshape(expected.sizes()) - expected).abs().max().item<double>(), 2e-4)
        << name;
  }

  std::string stage_;
  JsonView expect_;
  std::shared_ptr<OneLlm> family_;
};

TEST(OneLlmTraining, AlignsPicturesFirst) { OneLlmTraining("stage1").run(); }
TEST(OneLlmTraining, AlignsFourModalities) { OneLlmTraining("stage2").run(); }
TEST(OneLlmTraining, AlignsTheOthers) { OneLlmTraining("stage3").run(); }
TEST(OneLlmTraining, TunesTheLanguageModel) { OneLlmTraining("instruct").run(); }
TEST(OneLlmTraining, AsReleasedOnlyClipIsFrozen) { OneLlmTraining("stage1_as_released").run(); }

TEST(OneLlmTraining, LabelsTheAnswersOfConversations) {
  const auto tokenizer = text::Tokenizer::load(kBase / "model");
  const JsonView expect = JsonView::load(kFolder / "expect.json");
  std::map<std::string, samples::Sample> conversations;
  for (const JsonView& item : expect.at("instruct_data").at("items").elements()) {
    samples::Sample& sample = conversations[item.string("id")];
    sample.name = item.string("id");
    for (const JsonView& turn : item.at("conversations").elements())
      sample.turns.push_back(
          {turn.string("from") == "human" ? "user" : "assistant", turn.string("value")});
  }
  for (const char* key : {"instruct_data", "instruct_data_long"}) {
    for (const JsonView& item : expect.at(key).at("items").elements()) {
      // Shorter by the learned rows of a picture.
      const auto longest = static_cast<int64_t>(item.at("input_ids").elements().size());
      auto found = families::onellm::label_conversation(conversations.at(item.string("id")),
                                                        *tokenizer, longest);
      std::vector<int64_t> labels;
      for (size_t i = 0; i < found.ids.size(); ++i)
        labels.push_back(found.targets[i] ? found.ids[i] : 0);
      found.ids.resize(static_cast<size_t>(longest), 0);
      labels.resize(static_cast<size_t>(longest), 0);
      EXPECT_EQ(found.ids, integers_in(item.at("input_ids"))) << key << " " << item.string("id");
      EXPECT_EQ(labels, integers_in(item.at("labels"))) << key << " " << item.string("id");
    }
  }
}

TEST(OneLlmTraining, SchedulesAreTheReferences) {
  const JsonView tables = JsonView::load(kFolder / "expect.json").at("lr_tables");
  for (const char* key : {"pretrain", "finetune"}) {
    const JsonView args = tables.at(key).at("args");
    const bool epochs = std::string(key) == "finetune";
    const Schedule schedule{Decay::kCosine, args.number(epochs ? "warmup_epochs" : "warmup_iters"),
                            args.number(epochs ? "epochs" : "lr_decay_iters"),
                            args.number("min_lr")};
    for (const JsonView& point : tables.at(key).at("points").elements()) {
      const auto pair = point.elements();
      EXPECT_NEAR(learning_rate(schedule, args.number("lr"), pair[0].as_number()),
                  pair[1].as_number(), 1e-15)
          << key << " " << pair[0].as_number();
    }
  }
}

TEST(OneLlmStart, TakesFromPicturesWhatTheReferenceTakes) {
  const JsonView result =
      JsonView::load(kFolder / "expect.json").at("init_from_image").at("result");
  std::map<std::string, std::string> expected;
  std::set<std::string> present;
  for (const auto& [name, source] : result.members()) {
    expected[name] = source.as_string() == "loaded" ? name : source.as_string();
    present.insert(expected[name]);
  }
  std::vector<std::string> wanted;
  for (const std::string& name : weight_names(kBase / "model")) wanted.push_back(name);
  const std::vector<std::string> there(present.begin(), present.end());
  // The image-only file was made of this model's expert 1: copying it back changes nothing, and the
  // case lists what changed. Its own output says that the reference copies it, too.
  const std::string second = "llma.resample_layers.1.", picture = "llma.resample_layers.image.";
  for (const std::string& name : wanted)
    if (name.starts_with(second)) expected[name] = picture + name.substr(second.size());
  const auto found = families::onellm::init_from_image(wanted, there);
  EXPECT_EQ(found.size(), expected.size());
  for (const auto& [name, source] : expected) {
    const auto own = found.find(name);
    EXPECT_EQ(own == found.end() ? "" : own->second, source) << name;
  }
}

// Stage I on one stack, then a model with three experts and all modalities that begins where it
// ended.
TEST(OneLlmStart, GrowsFromOneStageToTheNext) {
  const fs::path folder = fs::path(testing::TempDir()) / "isthmus_onellm_start";
  fs::remove_all(folder);
  const fs::path vision =
      fs::path(ISTHMUS_FIXTURES) / "llava/train_stage1/model/openai/clip-tiny-patch14-42";
  const fs::path base = fs::path(ISTHMUS_FIXTURES) / "llava/train_stage1/model/vicuna-tiny";
  families::onellm::StartOptions options;
  options.experts = 1;
  options.resampler_layers = 2;
  options.sizes = {{"resample_tokens", {4}}, {"resampler_heads", {2}}};
  options.dtype = "f32";
  families::onellm::write_new(base, vision, options, folder / "one");
  const auto first = families::load_family((folder / "one").string(), "", "", {});
  const auto llava = families::load_family(base.string(), "", "", {});
  const Tensor ids = torch::tensor({{1, 5, 9, 7}}, torch::kInt64);
  const auto logits = [&](families::Family& family) {
    const torch::NoGradGuard no_gradient;
    decoders::LanguageModel& model = family.language_model();
    nn::ForwardContext context;
    context.positions = torch::arange(4).unsqueeze(0);
    return model.logits(model.forward(model.embed_tokens(ids), context));
  };
  // The same LLaMA, though its heads are spelled in pairs now.
  EXPECT_LT((logits(*first) - logits(*llava)).abs().max().item<float>(), 1e-5);

  options.experts = 3;
  options.modalities = {"audio", "points"};
  options.sizes["audio_window"] = {32, 64};
  options.sizes["point_groups"] = {16};
  families::onellm::write_grown(folder / "one", "", options, folder / "two");
  const auto second = families::load_family((folder / "two").string(), "", "", {});
  const auto value = [](families::Family& family, const std::string& name) {
    for (const nn::Slot& slot : nn::slots_of(family.modules()))
      if (slot.name == name) return slot.value();
    return Tensor();
  };
  const std::string block = ".0.attention.wq.weight";
  for (const char* expert : {"0", "1", "2"})
    EXPECT_TRUE(torch::equal(value(*second, "aligner.experts." + std::string(expert) + block),
                             value(*first, "aligner.experts.image" + block)));
  EXPECT_TRUE(torch::equal(value(*second, "aligner.resample_tokens.audio"),
                           value(*first, "aligner.resample_tokens.image")));
  EXPECT_LT((logits(*second) - logits(*llava)).abs().max().item<float>(), 1e-5);
}

}  // namespace
}  // namespace isthmus::training
