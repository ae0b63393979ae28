// Where guesses come from, and what becomes of them.
#include "engine/guesses.h"

#include <gtest/gtest.h>

#include "engine/draft.h"
#include "error_message.h"
#include "families/registry.h"

namespace isthmus::engine {
namespace {

using Ids = std::vector<int64_t>;

std::shared_ptr<families::Family> load(const char* model) {
  return families::load_family(std::string(ISTHMUS_SOURCE_DIR) + "/demo/" + model, "", "", {});
}

std::vector<families::Segment> segments_of(const Ids& ids) {
  families::TextSegment text;
  text.ids = ids;
  return {text};
}

// Says the same whatever the answer.
class Parrot : public GuessSource {
 public:
  Parrot(Ids words, std::vector<int64_t>* asked) : words_(std::move(words)), asked_(asked) {}
  Ids guess(std::span<const int64_t>, int64_t most) override {
    asked_->push_back(most);
    return {words_.begin(), words_.begin() + std::min<int64_t>(most, std::ssize(words_))};
  }
  double cost() const override { return 0; }

 private:
  Ids words_;
  std::vector<int64_t>* asked_;
};

TEST(PromptLookup, FindsWhatFollowedInPromptAndAnswer) {
  PromptLookup lookup(segments_of({1, 20, 21, 22, 23, 24, 20, 21}));
  EXPECT_EQ(lookup.guess(Ids{22}, 3), (Ids{23, 24, 20}));
  EXPECT_EQ(lookup.guess(Ids{22, 30, 31, 32}, 3), Ids{});
  EXPECT_EQ(lookup.guess(Ids{22, 30, 31, 32, 30, 31}, 1), Ids{32});
}

TEST(Guesses, StopBeforeWhatMayNotBeGuessed) {
  Ids asked;
  Guesses guesses({7, 9});
  guesses.add(std::make_unique<Parrot>(Ids{4, 5, 9, 6}, &asked), 4);
  EXPECT_EQ(guesses.next(Ids{1}, 20), (Ids{4, 5}));
  guesses.note(1);
  EXPECT_EQ(guesses.guessed(), 2);
  EXPECT_EQ(guesses.right(), 1);
}

TEST(Guesses, LeaveRoomForTheTokenThatIsChosenBehindThem) {
  Ids asked;
  Guesses guesses({});
  guesses.add(std::make_unique<Parrot>(Ids{4, 5, 6}, &asked), 3);
  EXPECT_EQ(guesses.next(Ids{1}, 3), (Ids{4, 5}));
  EXPECT_EQ(guesses.next(Ids{1}, 1), Ids{});
}

TEST(Guesses, ComeFromTheFirstSourceThatHasAny) {
  Ids first_asked, second_asked;
  Guesses guesses({});
  guesses.add(std::make_unique<Parrot>(Ids{}, &first_asked), 3);
  guesses.add(std::make_unique<Parrot>(Ids{4}, &second_asked), 3);
  EXPECT_EQ(guesses.next(Ids{1}, 20), Ids{4});
  EXPECT_EQ(first_asked.size(), 1u);
  EXPECT_EQ(second_asked.size(), 1u);
}

TEST(Guesses, FallSilentWhereTheyAreWrong) {
  Ids asked;
  Guesses guesses({});
  guesses.add(std::make_unique<Parrot>(Ids{4, 5, 6, 7, 8, 9}, &asked), 6);
  for (int pass = 0; pass < 200; ++pass) {
    guesses.next(Ids{1}, 100);
    guesses.note(0);
  }
  EXPECT_LT(guesses.guessed(), 30);
  EXPECT_EQ(guesses.right(), 0);
}

// A draft against the same model that reads everything anew for every guess.
class DraftTest : public ::testing::Test {
 protected:
  const torch::NoGradGuard no_gradient_;
  const std::shared_ptr<families::Family> small_ = load("models/language_model");
  const std::shared_ptr<families::Family> large_ = load("models/llava-v1.5");

  Ids continued(Ids text, int64_t count) const {
    Ids more;
    for (int64_t i = 0; i < count; ++i) {
      const families::Sequence sequence =
          families::build_sequence(segments_of(text), {}, small_->language_model());
      Rows rows(*small_, std::span(&sequence, 1), small_->new_cache(1, 128),
                families::LateMarker::kIgnored);
      more.push_back(rows.last_logits(rows.prefill()).argmax().item<int64_t>());
      text.push_back(more.back());
    }
    return more;
  }
  Ids joined(Ids ids, const Ids& more) const {
    ids.insert(ids.end(), more.begin(), more.end());
    return ids;
  }
};

TEST_F(DraftTest, GuessesWhatItWouldSayAfterWhateverWasChosen) {
  Draft draft(small_, *large_);
  const Request request;
  const Ids prompt = {1, 20, 21, 22, 23, 24};
  const auto segments = segments_of(prompt);
  const auto source = draft.source(request, segments);
  Ids answer = {30};
  const auto expect_right = [&](int64_t most) {
    const Ids guesses = source->guess(answer, most);
    EXPECT_EQ(guesses, continued(joined(prompt, answer), most)) << answer.size();
    return guesses;
  };
  // All of them are chosen, and one more token.
  answer = joined(joined(answer, expect_right(4)), {31});
  // None.
  expect_right(3);
  answer.push_back(40);
  // The first alone; then what was guessed second comes, too, but later.
  const Ids guesses = expect_right(5);
  answer = joined(answer, {guesses[0], 41, guesses[1]});
  expect_right(2);
  // Several passes without a guess.
  answer = joined(answer, {50, 51, 52, 53, 54});
  expect_right(1);
  // Asked twice about the same answer.
  expect_right(6);
}

TEST_F(DraftTest, KeepsTheConversation) {
  Draft draft(small_, *large_);
  const Request request;
  const auto first = segments_of({1, 20, 21, 22});
  Ids answer = {30};
  {
    const auto source = draft.source(request, first);
    answer = joined(answer, source->guess(answer, 3));
    source->guess(joined(answer, {60, 61}), 4);  // chosen otherwise than it was guessed
    answer = joined(answer, {60, 61});
  }
  const Ids text = joined(joined({1, 20, 21, 22}, answer), {70, 71});
  const auto second = segments_of(text);
  const auto source = draft.source(request, second);
  EXPECT_EQ(source->guess(Ids{33}, 5), continued(joined(text, {33}), 5));
}

TEST_F(DraftTest, LeavesOutWhatItCannotRead) {
  Draft draft(small_, *large_);
  const Request request;
  const int64_t beyond = small_->language_model().vocab_size();
  std::vector<families::Segment> segments = segments_of({1, 20, beyond, 21});
  segments.push_back(families::MediaSegment{0});
  segments.push_back(segments_of({22, 23}).front());
  const auto source = draft.source(request, segments);
  EXPECT_EQ(source->guess(Ids{30, beyond + 5, 31}, 3), continued({1, 20, 21, 22, 23, 30, 31}, 3));
}

TEST_F(DraftTest, IsSilentBeyondItsContext) {
  Draft draft(small_, *large_);
  const Request request;
  const auto limit = static_cast<size_t>(small_->context_length());
  const auto too_long = segments_of(Ids(limit, 20));
  EXPECT_EQ(draft.source(request, too_long)->guess(Ids{30}, 3), Ids{});
  // Three positions are left: the chosen token and two guesses are read, the third is not.
  const auto nearly = segments_of(Ids(limit - 3, 20));
  EXPECT_EQ(draft.source(request, nearly)->guess(Ids{30}, 8).size(), 3u);
}

TEST_F(DraftTest, NeedsTheSameVocabulary) {
  const std::string message =
      message_of<UsageError>([&] { Draft(load("llava/llava-v1.5-tabletop"), *large_); });
  for (const char* part : {"--draft: token ", "demo/llava/llava-v1.5-tabletop/tokenizer.model",
                           "demo/models/llava-v1.5/tokenizer.model"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

}  // namespace
}  // namespace isthmus::engine
