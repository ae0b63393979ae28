// MPT, MosaicGPT, GPT-NeoX and OPT inside OpenFlamingo, against the reference's hidden states.
#include <gtest/gtest.h>

#include "decoders/flamingo_case.h"

namespace isthmus::decoders {
namespace {

using isthmus::testing::FlamingoCase;
using isthmus::testing::on_both_paths;
using isthmus::testing::Recorder;

// What stands between two blocks of the language model, on the reference's hidden states
// (`from_golden`) or on our own.
class Between final : public nn::BlockHook {
 public:
  Between(const FlamingoCase& c, bool from_golden) : case_(c), from_golden_(from_golden) {}
  Tensor before_block(int64_t layer, const Tensor& hidden, const nn::ForwardContext&) override {
    const auto& golden = case_.golden;
    const std::string number = std::to_string(layer);
    const Tensor in = from_golden_ ? golden.tensor("hidden" + number) : hidden;
    if (!case_.gated.exists(layer)) return in;
    if (from_golden_ && golden.has("gated" + number + "_out"))
      return golden.tensor("gated" + number + "_out");
    return case_.gated(layer, in);
  }

 private:
  const FlamingoCase& case_;
  bool from_golden_;
};

class FlamingoLanguageModel : public ::testing::TestWithParam<const char*> {};

TEST_P(FlamingoLanguageModel, EveryBlockMapsTheReferencesStateToItsNext) {
  const FlamingoCase c(GetParam());
  on_both_paths([&](const std::string& how) {
    Between hook(c, /*from_golden=*/true);
    Recorder hidden("decoder.hidden.");
    nn::ForwardContext context;
    context.positions = c.positions;
    context.key_ranges = c.ranges;
    context.hook = &hook;
    context.probe = &hidden;
    const Tensor state = c.model->forward(c.model->embed_tokens(c.ids), context);
    for (int64_t layer = 0; layer < c.layers(); ++layer) {
      c.golden.expect_agrees("hidden" + std::to_string(layer),
                             c.real(hidden.values[static_cast<size_t>(layer)]), how);
    }
    c.golden.expect_agrees("logits", c.real(c.model->logits(state)), how);
  });
}

TEST_P(FlamingoLanguageModel, ThePassFromTheTokensGivesTheReferencesLogits) {
  const FlamingoCase c(GetParam());
  on_both_paths([&](const std::string& how) {
    Between hook(c, /*from_golden=*/false);
    nn::ForwardContext context;
    context.positions = c.positions;
    context.key_ranges = c.ranges;
    context.hook = &hook;
    const Tensor state = c.model->forward(c.model->embed_tokens(c.ids), context);
    c.golden.expect_agrees("logits", c.real(c.model->logits(state)), how);
  });
}

// The gated blocks of these tests are themselves the reference's.
TEST_P(FlamingoLanguageModel, TheGatedBlocksOfThisTestAreTheReferences) {
  const FlamingoCase c(GetParam());
  int64_t compared = 0;
  for (int64_t layer = 0; layer < c.layers(); ++layer) {
    const std::string name = "gated" + std::to_string(layer);
    if (!c.golden.has(name + "_out")) continue;
    const Tensor out = c.gated(layer, c.golden.tensor(name + "_in"));
    c.golden.expect_agrees(name + "_out", c.real(out), "plain tensor operations");
    ++compared;
  }
  EXPECT_EQ(compared, 1);
}

TEST_P(FlamingoLanguageModel, CachedDecodingEqualsOnePass) {
  const FlamingoCase c(GetParam());
  const Tensor embeddings = c.model->embed_tokens(c.ids);
  const int64_t seq = c.ids.size(1), prompt = seq - 8;
  on_both_paths([&](const std::string& how) {
    nn::ForwardContext context;
    context.positions = c.positions;
    context.key_ranges = c.ranges;
    const Tensor whole = c.real(c.model->forward(embeddings, context));
    nn::KvCache cache(c.model->cache_geometry(), c.ids.size(0), seq);
    context.cache = &cache;
    std::vector<Tensor> parts;
    int64_t first = 0;
    for (const int64_t count : {prompt, int64_t{3}, int64_t{1}, int64_t{1}, int64_t{1}, int64_t{1},
                                int64_t{1}}) {
      context.positions = c.positions.narrow(1, first, count);
      for (size_t row = 0; row < c.ranges.size(); ++row)
        context.key_ranges[row] = {c.ranges[row].begin,
                                   std::max(c.ranges[row].begin, first + count)};
      parts.push_back(c.model->forward(embeddings.narrow(1, first, count), context));
      first += count;
    }
    EXPECT_EQ(cache.length(), seq);
    EXPECT_LE((c.real(torch::cat(parts, 1)) - whole).abs().max().item<double>(), 2e-5) << how;
  });
}

TEST_P(FlamingoLanguageModel, PaddedRowsEqualRowsAlone) {
  const FlamingoCase c(GetParam());
  const int64_t seq = c.ids.size(1), batch = c.ids.size(0);
  on_both_paths([&](const std::string& how) {
    for (const bool left : {false, true}) {
      Tensor ids = c.ids, positions = c.positions;
      nn::ForwardContext context;
      context.key_ranges = c.ranges;
      if (!left) {
        std::vector<Tensor> shifted;
        for (int64_t row = 0; row < batch; ++row) {
          shifted.push_back(c.ids[row].roll(c.length(row) - seq));
          context.key_ranges[static_cast<size_t>(row)] = {0, c.length(row)};
        }
        ids = torch::stack(shifted);
        positions = torch::arange(seq).expand({batch, seq});
      }
      context.positions = positions;
      const Tensor together = c.model->forward(c.model->embed_tokens(ids), context);
      for (int64_t row = 0; row < batch; ++row) {
        const int64_t length = c.length(row), first = left ? seq - length : 0;
        const Tensor alone = c.model->forward(
            c.model->embed_tokens(ids[row].narrow(0, first, length).unsqueeze(0)), {});
        EXPECT_LE((together[row].narrow(0, first, length) - alone[0]).abs().max().item<double>(),
                  2e-5)
            << how << (left ? ", left, row " : ", right, row ") << row;
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Golden, FlamingoLanguageModel,
                         ::testing::ValuesIn(isthmus::testing::kFlamingoCases),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace isthmus::decoders
