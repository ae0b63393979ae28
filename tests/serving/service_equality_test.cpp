// Many questions at once are answered as each alone: whatever the family, the size of the pieces in
// which prompts are read, the storage of keys and values, and however often pages run out.
#include <algorithm>

#include <gtest/gtest.h>

#include "serving_testing.h"

namespace isthmus {
namespace {

using namespace serving_testing;

std::vector<Request> many_requests() {
  std::vector<Request> requests{
      request_of("what is in this picture ?", {"table01.png"}),
      request_of("how many objects are there ?", {"table05.jpg"}),
      request_of("what color is the cube ?", {"table02.png"}),
      request_of("is there a red sphere to the left of the small blue cone ? say yes or no",
                 {"table03.png"}),
      request_of("what is in this picture ?", {"table01.png"}),
      request_of("describe it", {"table07.png"}),
  };
  requests[1].generate.max_new_tokens = 5;
  requests[3].generate.temperature = 1;
  requests[3].generate.seed = 4;
  requests[5].generate.repetition_penalty = 1.3;
  Request later = request_of("what is in this picture ?", {"table01.png"});
  later.messages.push_back({"assistant", {Part::of_text("a red cube .")}});
  later.messages.push_back({"user", {Part::of_text("what else ?")}});
  requests.push_back(later);
  return requests;
}

void expect_same(const std::filesystem::path& model, const std::vector<Request>& requests,
                 const SchedulerOptions& options, const std::string& kv_cache = "f32") {
  const auto alone = engine_of(model, kv_cache);
  const auto service = service_of(model, options, kv_cache);
  std::vector<Question> questions;
  for (const Request& request : requests) questions.push_back(question_of(request));
  const auto outcomes = outcomes_of(*service, questions);
  for (size_t i = 0; i < requests.size(); ++i) {
    const isthmus::Answer expected = alone->generate(requests[i], {});
    ASSERT_EQ(outcomes[i].failure, "") << model << " " << i;
    const Outcome::Said& said = outcomes[i].answers[0];
    EXPECT_EQ(said.text, expected.text) << model << " " << i;
    EXPECT_EQ(said.reason, expected.finish_reason) << model << " " << i;
    auto ids = expected.output_ids;
    if (said.reason == "eos") ids.pop_back();
    if (said.reason == "stop") ids.resize(said.tokens.size());  // what ends it is not shown
    EXPECT_EQ(said.ids(), ids) << model << " " << i;
    EXPECT_EQ(said.timings.prompt_tokens, expected.timings.prompt_tokens);
    EXPECT_EQ(said.timings.generated_tokens, expected.timings.generated_tokens);
    EXPECT_EQ(outcomes[i].admissions, 1);
    EXPECT_EQ(outcomes[i].admitted.prompt_tokens, expected.timings.prompt_tokens);
  }
}

const char* const kModels[] = {"llava/llava-v1.5-tabletop", "models/llava-v1.5", "models/onellm",
                               "models/flamingo", "models/language_model"};

std::vector<Request> requests_for(const std::string& model) {
  std::vector<Request> requests = many_requests();
  if (model == "models/flamingo") requests.pop_back();  // it holds no conversations
  if (model == "models/onellm")  // every other answer lies over the end of its prompt
    for (size_t i = 0; i < requests.size(); i += 2)
      requests[i].generate.quirks["decode_offset_ignores_tags"] = true;
  if (model != "models/language_model") return requests;
  for (Request& request : requests)
    for (Message& message : request.messages)
      std::erase_if(message.content,
                    [](const Part& part) { return part.type == Part::Type::kMedia; });
  return requests;
}

TEST(ServiceEquality, ManyAtOnceAreAnsweredAsEachAlone) {
  for (const char* model : kModels) expect_same(kDemo / model, requests_for(model), {});
}

TEST(ServiceEquality, PromptsMayBeReadInSmallPieces) {
  for (const char* model : kModels)
    expect_same(kDemo / model, requests_for(model), {.rows_per_pass = 7});
}

// Pages for two or three prompts: younger answers give theirs up and read them again.
TEST(ServiceEquality, PagesMayRunOut) {
  for (const char* model : {"llava/llava-v1.5-tabletop", "models/onellm", "models/flamingo"}) {
    const auto family = engine_of(kDemo / model);
    const int64_t page = nn::PagePool::page_bytes(
        family->family().language_model().cache_geometry(), nn::KvStorage::kF32);
    int64_t longest = 0;
    const auto requests = requests_for(model);
    for (const Request& request : requests)
      longest = std::max(longest, family->sequence(request).length() + 24);
    const int64_t pages = 2 * (longest / nn::PagePool::kPositions + 1);
    expect_same(kDemo / model, requests, {.cache_bytes = pages * page});
  }
}

TEST(ServiceEquality, KeysAndValuesMayBeHeldInFewerBits) {
  for (const char* storage : {"f16", "q8"})
    expect_same(kDemo / "llava/llava-v1.5-tabletop", many_requests(), {.rows_per_pass = 40},
                storage);
}

// Pictures at depth before MPT, GPT-NeoX and OPT, some of whose texts read all pictures at once.
TEST(ServiceEquality, FlamingosOfEveryDecoder) {
  const auto fixtures = std::filesystem::path(ISTHMUS_FIXTURES) / "openflamingo";
  for (const char* golden : {"mpt1b_mosaic_every1", "mpt7b_every1", "neox_rpj_every2",
                             "neox_pythia_parallel", "opt_every2", "media_masking"}) {
    const auto picture_of = [&](int i) {
      const auto stem = (fixtures / golden / "inputs" / ("img" + std::to_string(i))).string();
      return std::filesystem::exists(stem + ".png") ? stem + ".png" : stem + ".jpg";
    };
    std::vector<Request> requests;
    for (const auto& pictures : std::vector<std::vector<int>>{{}, {0}, {1, 0}, {0}}) {
      Request request;
      request.prompt.push_back(Part::of_text("Look: "));
      for (const int i : pictures) {
        if (!std::filesystem::exists(picture_of(i))) continue;
        request.prompt.push_back(Part::of_image(picture_of(i)));
        request.prompt.push_back(Part::of_text("Output:"));
      }
      request.generate.max_new_tokens = 8;
      request.generate.temperature = requests.size() == 3 ? 2 : 0;
      requests.push_back(request);
    }
    expect_same(fixtures / golden / "model", requests, {});
    expect_same(fixtures / golden / "model", requests, {.rows_per_pass = 5});
  }
}

}  // namespace
}  // namespace isthmus
