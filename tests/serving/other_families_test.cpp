// Aligners of Flamingo and OneLLM: each answers as an engine that was loaded with it alone.
#include <map>

#include <gtest/gtest.h>

#include "aligners_testing.h"
#include "error_message.h"
#include "families/flamingo/flamingo.h"
#include "families/onellm/onellm.h"
#include "made_aligners.h"

namespace isthmus {
namespace {

using namespace serving_testing;
namespace fs = std::filesystem;

const fs::path kFlamingo = kDemo / "models/flamingo", kOneLlm = kDemo / "models/onellm";

std::vector<Request> requests_of_families() {
  std::vector<Request> requests{
      request_of("what is in this picture ?", {"table01.png"}),
      request_of("how many objects are there ?", {"table05.jpg"}),
      request_of("what is in this picture ?", {"table01.png"}),
      request_of("what color is the cube ?", {"table02.png"}),
  };
  for (Request& request : requests) request.generate.max_new_tokens = 12;
  return requests;
}

// What `of_module` names is changed: `places` and `factor` as of change().
fs::path made(const fs::path& model, const std::string& part, int64_t places, double factor) {
  const auto family = families::load_family(model.string(), "", "", {});
  for (const nn::Slot& slot : nn::slots_of(family->modules()))
    if (slot.name.starts_with(part)) change(slot, places, factor);
  const auto folder = folder_named("changed");
  family->save(folder, {.dtype = "stored"});
  return folder;
}

// All questions through all aligners, at once; how many texts differ from one aligner to the next.
int expect_same(const fs::path& model, const std::map<std::string, fs::path>& aligners,
                int64_t rows_per_pass) {
  const auto service = service_of(model, {.rows_per_pass = rows_per_pass});
  std::map<std::string, std::unique_ptr<engine::Engine>> alone;
  alone[""] = engine_of(model);
  for (const auto& [name, folder] : aligners) {
    service->add_aligner(name, folder);
    alone[name] = engine_of(folder);
  }
  std::map<std::string, engine::Engine*> engines;
  for (const auto& [name, engine] : alone) engines[name] = engine.get();
  return expect_as_alone(*service, engines, requests_of_families());
}

TEST(AlignersOfFlamingo, EachAnswersAsIfItWereLoadedAlone) {
  const std::map<std::string, fs::path> aligners{
      {"gates", made(kFlamingo, "aligner.cross_attention.", 0, -1)},
      {"latents", made(kFlamingo, "aligner.resampler.", 3, 1)},
      {"words", made(kFlamingo, "decoder.embed_tokens", 0, .8)}};
  for (const int64_t rows : {256, 9}) EXPECT_GT(expect_same(kFlamingo, aligners, rows), 3);
}

TEST(AlignersOfFlamingo, FixturesOfOtherDecoders) {
  for (const char* golden : {"mpt1b_mosaic_every1", "neox_rpj_every2", "opt_every2"}) {
    const fs::path model = fs::path(ISTHMUS_FIXTURES) / "openflamingo" / golden / "model";
    expect_same(model, {{"gates", made(model, "aligner.cross_attention.", 0, -2)}}, 64);
  }
}

TEST(AlignersOfFlamingo, OfAnotherModelAreRefused) {
  const auto service = service_of(kFlamingo);
  const auto refusal = [&](const fs::path& folder) {
    return message_of([&] { service->add_aligner("x", folder); });
  };
  const fs::path fixtures = fs::path(ISTHMUS_FIXTURES) / "openflamingo";
  EXPECT_NE(refusal(fixtures / "opt_every2/model"), "no error");
  EXPECT_NE(refusal(kOneLlm), "no error");
  EXPECT_NE(refusal(made_projector(1)), "no error");
  EXPECT_TRUE(service->card().aligners.empty());
}

TEST(AlignersOfOneLlm, EachAnswersAsIfItWereLoadedAlone) {
  const std::map<std::string, fs::path> aligners{
      {"projection", made(kOneLlm, "aligner.clip_proj2", 5, 1)},
      {"experts", made(kOneLlm, "aligner.resample_tokens", 2, -1)},
      {"tokenizer", made(kOneLlm, "encoder.ln_pre.", 0, -1)}};
  for (const int64_t rows : {256, 9}) EXPECT_GT(expect_same(kOneLlm, aligners, rows), 3);
}

TEST(AlignersOfOneLlm, ThatTrainedTheLanguageModelAreRefused) {
  const auto service = service_of(kOneLlm);
  EXPECT_NE(message_of<UnsupportedError>([&] {
              service->add_aligner("x", made(kOneLlm, "decoder.norm", 0, 2));
            }).find("serve it as a model of its own"),
            std::string::npos);
}

TEST(AlignersOfOneLlm, StandOnTheMemoryOfTheModel) {
  const auto family = families::load_family(kOneLlm.string(), "", "", {});
  const auto other = family->with_aligner(made(kOneLlm, "encoder.ln_pre.", 0, -1), {});
  auto& own = dynamic_cast<families::onellm::OneLlm&>(*family).modules();
  auto& its = dynamic_cast<families::onellm::OneLlm&>(*other).modules();
  EXPECT_EQ(own.decoder, its.decoder);
  EXPECT_NE(own.encoder.get(), its.encoder.get());
  const auto slots = nn::slots_of(*own.encoder), its_slots = nn::slots_of(*its.encoder);
  size_t shared = 0;
  for (size_t i = 0; i < slots.size(); ++i)
    shared += slots[i].is_matrix() ? slots[i].matrix() == its_slots[i].matrix()
                                   : slots[i].value().data_ptr() == its_slots[i].value().data_ptr();
  EXPECT_GT(shared, slots.size() / 2);
  EXPECT_LT(shared, slots.size());
}

}  // namespace
}  // namespace isthmus
