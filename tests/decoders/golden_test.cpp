// Decoders against the reference's logits, fed with the reference's assembled sequences.
#include <gtest/gtest.h>

#include "decoders/llama.h"
#include "weights/golden.h"
#include "weights/lora.h"

namespace isthmus::decoders {
namespace {

using isthmus::testing::GoldenCase;
using isthmus::testing::on_both_paths;
using isthmus::testing::part_of;
using isthmus::testing::Recorder;

std::shared_ptr<Llama> load(const std::filesystem::path& config,
                            const std::filesystem::path& model) {
  const auto parsed = layout::LlavaConfig::parse(JsonView::load(config / "config.json"));
  auto llama = std::make_shared<Llama>(parsed.text);
  const std::vector<weights::WeightSource> sources = {part_of(model, parsed.layout, "decoder.")};
  weights::bind_weights(*llama, sources);
  return llama;
}

// Slots of a decoder on its own.
formats::NameMap adapter_names() {
  return formats::NameMap(
      std::vector<formats::NameRule>{{"base_model.model.model.{rest}", "{rest}"}});
}

std::vector<int64_t> ids_of(const JsonView& list) {
  std::vector<int64_t> out;
  for (const JsonView& id : list.elements()) out.push_back(id.as_integer());
  return out;
}

// Feeds the prompt, then the reference's own tokens one by one, through a cache.
void expect_answers(const GoldenCase& golden, Llama& llama, const JsonView& request,
                    const std::string& how) {
  const std::string name = request.string("name");
  const Tensor embeddings = golden.tensor(name + ".inputs_embeds").unsqueeze(0);
  const auto output_ids = ids_of(request.at("output_ids"));
  nn::KvCache cache(llama.cache_geometry(), 1,
                    embeddings.size(1) + static_cast<int64_t>(output_ids.size()));
  Recorder hidden("decoder.hidden.");
  nn::ForwardContext context;
  context.cache = &cache;
  context.probe = &hidden;
  Tensor state = llama.forward(embeddings, context);
  context.probe = nullptr;
  if (golden.has(name + ".prompt_logits")) {
    golden.expect_agrees(name + ".prompt_logits", llama.logits(state).squeeze(0), how);
  }
  if (golden.has(name + ".llm_hidden")) {
    golden.expect_agrees(name + ".llm_hidden", torch::cat(hidden.values), how);
  }
  std::vector<Tensor> rows;
  for (size_t step = 0; step < output_ids.size(); ++step) {
    rows.push_back(llama.logits(state.select(1, state.size(1) - 1)));
    EXPECT_EQ(rows.back().argmax(-1).item<int64_t>(), output_ids[step])
        << name << ", " << how << ", step " << step;
    state = llama.forward(llama.embed_tokens(torch::tensor({{output_ids[step]}})), context);
  }
  golden.expect_agrees(name + ".step_logits", torch::cat(rows), how);
}

void expect_case(const std::string& case_name) {
  const GoldenCase golden(case_name);
  std::map<std::string, std::shared_ptr<Llama>> models;
  for (const JsonView& request : golden.requests()) {
    const std::string model = request.string("model", golden.json().string("model", ""));
    const std::string base = request.string("model_base", model);
    if (!golden.has(request.string("name") + ".inputs_embeds")) continue;
    if (!models.contains(model)) {
      models[model] = load(golden.path(model), golden.path(base));
      if (std::filesystem::exists(golden.path(model) / "adapter_config.json")) {
        const auto adapter = formats::Checkpoint::open(golden.path(model) / "adapter_model.bin");
        const auto report =
            weights::merge_lora(*models[model], adapter, adapter_names(), 10.0 / 5.0);
        EXPECT_EQ(report.matrices, 21);
      }
    }
    on_both_paths(
        [&](const std::string& how) { expect_answers(golden, *models[model], request, how); });
  }
  EXPECT_FALSE(models.empty());
}

TEST(LlamaGolden, V15Original) { expect_case("v15_original"); }
TEST(LlamaGolden, V1Linear) { expect_case("v1_linear"); }
TEST(LlamaGolden, V16Vicuna) { expect_case("v16_anyres_vicuna"); }
TEST(LlamaGolden, V16MistralWithGroupedKeys) { expect_case("v16_anyres_mistral"); }
TEST(LlamaGolden, HuggingFaceLlava) { expect_case("hf_llava15"); }
TEST(LlamaGolden, HuggingFaceLlavaNext) { expect_case("hf_llava_next"); }
TEST(LlamaGolden, AdaptersOverABase) { expect_case("adapters"); }

TEST(LlamaGolden, MergedLoraIsTheReferencesMatrix) {
  const GoldenCase golden("adapters");
  const auto config = golden.path("model/llava-v1.5-tiny-lora");
  const auto llama = load(config, golden.path("model/vicuna-tiny"));
  weights::merge_lora(*llama, formats::Checkpoint::open(config / "adapter_model.bin"),
                      adapter_names(), 2.0);
  for (const nn::Slot& slot : nn::slots_of(*llama)) {
    if (slot.name != "layers.0.self_attn.q_proj.weight") continue;
    EXPECT_EQ(slot.matrix()->dtype(), DType::kF16);
    golden.expect_agrees("lora.merged_q_proj_layer0", slot.value(), "merged");
    // The reference rounds adapter, product and sum to float16; so do we, bit for bit.
    EXPECT_TRUE(
        torch::equal(slot.value(), golden.tensor("lora.merged_q_proj_layer0").to(torch::kFloat)));
  }
}

// float32 adapter beside float16 weights: the reference's rounding of W + ΔW is missing, hence 5e-2
// (expect.json).
TEST(LlamaGolden, LoraLeftUnmergedAnswersAlike) {
  const GoldenCase golden("adapters");
  const auto config = golden.path("model/llava-v1.5-tiny-lora");
  const auto llama = load(config, golden.path("model/vicuna-tiny"));
  weights::attach_lora(*llama, formats::Checkpoint::open(config / "adapter_model.bin"),
                       adapter_names(), 2.0);
  on_both_paths([&](const std::string& how) {
    const Tensor state =
        llama->forward(golden.tensor("lora.single.inputs_embeds").unsqueeze(0), {});
    const Tensor logits = llama->logits(state.select(1, state.size(1) - 1)).squeeze(0);
    const Tensor want = golden.tensor("lora.single.step_logits").select(0, 0);
    EXPECT_LE((logits - want).abs().max().item<double>(), 5e-2) << how;
  });
}

TEST(LlamaGolden, PaddedBatchGivesTheReferencesLastLogits) {
  const GoldenCase golden("v15_original");
  const auto folder = golden.path("model/llava-v1.5-tiny");
  const auto llama = load(folder, folder);
  std::vector<Tensor> rows;
  for (const char* name : {"single", "portrait", "text_only"}) {
    rows.push_back(golden.tensor(std::string(name) + ".inputs_embeds"));
  }
  int64_t longest = 0;
  for (const Tensor& row : rows) longest = std::max(longest, row.size(0));
  for (const bool left : {false, true}) {
    nn::ForwardContext context;
    std::vector<Tensor> padded, positions;
    for (const Tensor& row : rows) {
      const int64_t n = row.size(0), pad = longest - n;
      const Tensor zeros = torch::zeros({pad, row.size(1)}),
                   none = torch::zeros({pad}, torch::kLong);
      const Tensor index = torch::arange(n, torch::kLong);
      padded.push_back(left ? torch::cat({zeros, row}) : torch::cat({row, zeros}));
      positions.push_back(left ? torch::cat({none, index}) : torch::cat({index, none}));
      context.key_ranges.push_back(left ? nn::KeyRange{pad, longest} : nn::KeyRange{0, n});
    }
    context.positions = torch::stack(positions);
    on_both_paths([&](const std::string& how) {
      const Tensor state = llama->forward(torch::stack(padded), context);
      std::vector<Tensor> last;
      for (size_t i = 0; i < rows.size(); ++i) {
        const int64_t at = left ? longest - 1 : rows[i].size(0) - 1;
        last.push_back(llama->logits(state[static_cast<int64_t>(i)][at]));
        const Tensor alone =
            llama->logits(llama->forward(rows[i].unsqueeze(0), {})[0][rows[i].size(0) - 1]);
        EXPECT_LE((last.back() - alone).abs().max().item<double>(), 2e-4)
            << how;  // sums in another order
      }
      golden.expect_agrees("batch.last_logits", torch::stack(last),
                           how + (left ? ", left" : ", right"));
    });
  }
}

}  // namespace
}  // namespace isthmus::decoders
