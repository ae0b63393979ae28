// While a medium is encoded, others go on; and what it becomes is the same.
#include <gtest/gtest.h>

#include "engine/answering.h"
#include "strange_families.h"

namespace isthmus {
namespace {

using namespace serving_testing;
using namespace std::chrono_literals;

// Between all blocks of encoder and aligner a sequence is read, whose buffers are the same.
class PassesBetween : public nn::Probe {
 public:
  explicit PassesBetween(families::Family& family) : family_(family) {}
  bool wants(std::string_view) const override { return false; }
  void see(std::string_view, const torch::Tensor&) override {}
  void between_blocks() override {
    ++count;
    decoders::LanguageModel& model = family_.language_model();
    nn::ForwardContext context;
    context.hook = family_.block_hook();
    model.forward(model.embed_tokens(torch::arange(1, 9).unsqueeze(0)), context);
  }
  int count = 0;

 private:
  families::Family& family_;
};

TEST(Interruption, AnInterruptedEncoderGivesTheSameBits) {
  for (const char* model : {"llava/llava-v1.5-tabletop", "models/onellm", "models/flamingo"}) {
    const auto family = families::load_family((kDemo / model).string(), "", "", {});
    const engine::ArithmeticMode mode(/*composed=*/false);
    const Part part = Part::of_image(picture("table01.png"));
    const std::vector<modalities::Prepared> media{family->prepare({&part, "a picture"})};
    PassesBetween passes(*family);
    const auto whole = family->encode(media, nullptr).front();
    const auto pieces = family->encode(media, &passes).front();
    EXPECT_GT(passes.count, 2) << model;
    EXPECT_TRUE(torch::equal(whole.features, pieces.features)) << model;
    ASSERT_EQ(whole.tokens.defined(), pieces.tokens.defined());
    if (whole.tokens.defined()) {
      EXPECT_TRUE(torch::equal(whole.tokens, pieces.tokens)) << model;
    } else {
      EXPECT_TRUE(torch::equal(whole.memory->latents, pieces.memory->latents)) << model;
    }
  }
}

Question endless() {
  Question question = question_of(request_of("Describe the picture."));
  question.request.generate.max_new_tokens = question.request.generate.min_new_tokens = 1500;
  return question;
}

Question about(const std::string& name) {
  return question_of(request_of("What is in this picture?", {name}));
}

TEST(Interruption, AnswersGoOnWhileAPictureIsEncoded) {
  const auto strangeness = std::make_shared<Strangeness>();
  strangeness->slow_blocks = 40;
  const auto service = strange_service(strangeness);
  const auto ticket = service->ask(endless());
  while (!std::holds_alternative<Piece>(*ticket->next(30s))) {
  }
  const auto other = service->ask(about("table02.png"));
  const Outcome outcome = outcome_of(*other);
  EXPECT_EQ(outcome.answers[0].text, engine_of(kDemo / "llava/llava-v1.5-tabletop")
                                         ->generate(about("table02.png").request, {})
                                         .text);
  // A block is longer than a pass of this model may be held up.
  EXPECT_GT(strangeness->passes_while_encoding, 30);
}

TEST(Interruption, NobodyIsAskedWhenNobodyWrites) {
  const auto strangeness = std::make_shared<Strangeness>();
  strangeness->slow_blocks = 10;
  const auto service = strange_service(strangeness);
  outcome_of(*service->ask(about("table02.png")));
  EXPECT_EQ(strangeness->passes_while_encoding, 0);
}

TEST(Interruption, AQuestionThatComesMeanwhileIsAnsweredBeforeThePictureIsKnown) {
  const auto strangeness = std::make_shared<Strangeness>();
  strangeness->slow_blocks = 100;
  const auto service = strange_service(strangeness);
  const auto slow = service->ask(about("table02.png"));
  while (strangeness->blocks < 3) std::this_thread::sleep_for(1ms);
  Question quick = question_of(request_of("Hello"));
  quick.request.generate.max_new_tokens = 2;
  outcome_of(*service->ask(quick));
  EXPECT_LT(strangeness->blocks, 100);
  EXPECT_EQ(outcome_of(*slow).answers[0].reason, "eos");
}

TEST(Interruption, APictureThatNobodyWaitsForIsGivenUp) {
  const auto strangeness = std::make_shared<Strangeness>();
  strangeness->slow_blocks = 1000;
  const auto service = strange_service(strangeness);
  const auto writes = service->ask(endless());
  const auto ticket = service->ask(about("table02.png"));
  while (strangeness->blocks < 3) std::this_thread::sleep_for(1ms);
  ticket->cancel();
  EXPECT_EQ(outcome_of(*ticket).answers[0].reason, "cancelled");
  writes->cancel();
  // What comes next is not held up by it.
  strangeness->slow_blocks = 0;
  EXPECT_EQ(outcome_of(*service->ask(about("table02.png"))).answers[0].reason, "eos");
  EXPECT_LT(strangeness->blocks, 900);
}

TEST(Interruption, DrainingEndsAPictureHalfWay) {
  const auto strangeness = std::make_shared<Strangeness>();
  strangeness->slow_blocks = 1000;
  const auto service = strange_service(strangeness);
  const auto ticket = service->ask(about("table02.png"));
  while (strangeness->blocks < 3) std::this_thread::sleep_for(1ms);
  service->drain(Clock::now());
  EXPECT_EQ(outcome_of(*ticket).answers[0].reason, "cancelled");
  EXPECT_LT(strangeness->blocks, 900);
}

}  // namespace
}  // namespace isthmus
