#include "generation/beam_search.h"

#include <cmath>

#include <gtest/gtest.h>

#include "generation/loops.h"
#include "generation/tables.h"
#include "isthmus/error.h"

namespace isthmus::generation {
namespace {

// The model of make_tables.py: the logits behind a sequence are table[length % period][last token].
class TableModel : public BeamDecoder {
 public:
  TableModel(const nlohmann::json& table, const std::vector<int64_t>& prompt, bool one_row_first)
      : one_row_first_(one_row_first), prompt_(prompt) {
    for (const auto& position : table) {
      table_.emplace_back();
      for (const auto& row : position) table_.back().push_back(floats(row));
    }
  }
  int64_t vocab_size() const override { return static_cast<int64_t>(table_[0].size()); }
  void set_beams(int64_t count) {
    rows_.assign(one_row_first_ ? 1 : static_cast<size_t>(count), prompt_);
  }
  std::span<const float> step(std::span<const BeamChoice> choices) override {
    if (!choices.empty()) {
      std::vector<std::vector<int64_t>> next;
      for (const auto& [parent, token] : choices) {
        next.push_back(rows_.size() == 1 ? rows_[0] : rows_[static_cast<size_t>(parent)]);
        next.back().push_back(token);
      }
      rows_ = std::move(next);
    }
    logits_.clear();
    for (const auto& row : rows_) {
      const auto& values = table_[row.size() % table_.size()][static_cast<size_t>(row.back())];
      logits_.insert(logits_.end(), values.begin(), values.end());
    }
    return logits_;
  }

 private:
  bool one_row_first_;
  std::vector<int64_t> prompt_;
  std::vector<std::vector<std::vector<float>>> table_;
  std::vector<std::vector<int64_t>> rows_;
  std::vector<float> logits_;
};

void expect_table_answers(bool one_row_first) {
  const auto data = load_table("beams.json");
  size_t index = 0;
  for (const auto& c : data["cases"]) {
    SCOPED_TRACE(index++);
    const GenerationConfig config = settings_of(c["settings"]);
    const auto prompt = c["prompt"].get<std::vector<int64_t>>();
    TableModel model(data["tables"][c["table"].get<size_t>()], prompt, one_row_first);
    model.set_beams(config.num_beams);
    const BeamLength length =
        c["length_rule"] == "generated" ? BeamLength::kGenerated : BeamLength::kWholeSequence;
    const auto end_ids = c["end_ids"].get<std::vector<int64_t>>();
    Generated answer = generate_with_beams(model, config, end_ids, prompt, length);
    // transformers writes its first end id whichever one ended the hypothesis; we keep the one
    // chosen.
    if (answer.finish_reason == FinishReason::kEos) answer.tokens.back() = end_ids.front();
    EXPECT_EQ(answer.tokens, c["tokens"].get<std::vector<int64_t>>()) << c.dump();
  }
}

TEST(BeamSearch, GivesWhatTransformersGives) { expect_table_answers(/*one_row_first=*/false); }

TEST(BeamSearch, NeedsOnlyOneRowForThePrompt) { expect_table_answers(/*one_row_first=*/true); }

TEST(BeamSearch, ScoresAreThoseOfTransformers) {
  const auto data = load_table("beams.json");
  for (const auto& c : data["cases"]) {
    const GenerationConfig config = settings_of(c["settings"]);
    if (config.repetition_penalty != 1 || config.min_new_tokens != 0) continue;
    const auto prompt = c["prompt"].get<std::vector<int64_t>>();
    TableModel model(data["tables"][c["table"].get<size_t>()], prompt, false);
    model.set_beams(config.num_beams);
    BeamSearch search({.num_beams = config.num_beams,
                       .length_penalty = config.length_penalty,
                       .early_stopping = config.early_stopping,
                       .end_ids = c["end_ids"].get<std::vector<int64_t>>(),
                       .max_new_tokens = config.max_new_tokens,
                       .length = c["length_rule"] == "generated" ? BeamLength::kGenerated
                                                                 : BeamLength::kWholeSequence,
                       .prompt_length = static_cast<int64_t>(prompt.size())});
    std::vector<BeamChoice> choices;
    while (!search.done()) {
      const auto logits = model.step(choices);
      std::vector<float> log_probs(logits.begin(), logits.end());
      const auto vocab = static_cast<size_t>(model.vocab_size());
      for (size_t row = 0; row * vocab < log_probs.size(); ++row)
        log_softmax(std::span(log_probs).subspan(row * vocab, vocab));
      choices = search.step(log_probs, model.vocab_size());
    }
    const double expected = c["score"];
    // Sums of up to twenty single-precision log-probabilities, scaled by length^2 in some cases.
    EXPECT_NEAR(search.best().score, expected, 2e-6 * std::abs(expected) + 2e-5) << c.dump();
  }
}

TEST(BeamSearch, AnEndBelowTheBestBeamsIsNotKept) {
  BeamSearch search({.num_beams = 1, .end_ids = {0}, .max_new_tokens = 2});
  // Rank 0 is token 2, rank 1 the end token: with one beam that is not good enough.
  search.step(std::vector<float>{-1.0F, -9.0F, -0.5F}, 3);
  EXPECT_FALSE(search.done());
  EXPECT_EQ(search.tokens(0), (std::vector<int64_t>{2}));
}

TEST(BeamSearch, AVocabularyTooSmallForTheBeamsIsAUsageError) {
  BeamSearch search({.num_beams = 4, .end_ids = {0}, .max_new_tokens = 2});
  EXPECT_THROW(search.step(std::vector<float>(4 * 1, -1.0F), 1), UsageError);
}

TEST(BeamSearch, NotANumberIsAModelError) {
  BeamSearch search({.num_beams = 2, .end_ids = {}, .max_new_tokens = 2});
  EXPECT_THROW(search.step(std::vector<float>(6, std::nanf("")), 3), ModelError);
}

TEST(BeamSearch, ReturnsTheBestSoFarWhenCancelled) {
  const auto data = load_table("beams.json");
  TableModel model(data["tables"][0], {0}, true);
  model.set_beams(3);
  GenerationConfig config;
  config.num_beams = 3;
  config.max_new_tokens = 20;
  int asked = 0;
  const Generated answer = generate_with_beams(model, config, {}, {}, BeamLength::kGenerated,
                                               [&] { return ++asked < 4; });
  EXPECT_EQ(answer.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(answer.tokens.size(), 4U);
}

}  // namespace
}  // namespace isthmus::generation
