#include "serving/reading.h"

#include <gtest/gtest.h>

#include "engine/answering.h"
#include "engine/rows.h"
#include "isthmus/error.h"
#include "isthmus/flamingo.h"
#include "nn/forward_context.h"
#include "serving_testing.h"

namespace isthmus::serving {
namespace {

using serving_testing::engine_of;
using serving_testing::kDemo;

struct Setting {
  std::unique_ptr<engine::Engine> engine;
  std::shared_ptr<Prompt> prompt;
};

Setting setting(const std::filesystem::path& model, const Request& request,
                families::LateMarker late_marker, int64_t overlap = 0) {
  Setting s{engine_of(model), std::make_shared<Prompt>()};
  s.prompt->sequence = s.engine->sequence(request);
  s.prompt->late_marker = late_marker;
  s.prompt->late_id = s.engine->family().media_marker();
  s.prompt->overlap = overlap;
  s.prompt->shares_prefix = true;
  return s;
}

Request with_pictures() {
  const auto inputs = std::filesystem::path(ISTHMUS_FIXTURES) / "openflamingo/media_masking/inputs";
  const auto picture = [&](int i) {
    const auto stem = (inputs / ("img" + std::to_string(i))).string();
    return std::filesystem::exists(stem + ".png") ? stem + ".png" : stem + ".jpg";
  };
  const std::vector<std::filesystem::path> files{picture(0), picture(1)};
  return flamingo_prompt("<image>Output:A<|endofchunk|><image>Output:", files);
}

// Reads `rows` rows; logits of the last.
Tensor read(families::Family& family, Reading& reading, int64_t rows) {
  EXPECT_TRUE(reading.cache().reserve(reading.length() + rows));
  const std::vector<nn::Lane> lanes{{rows, 1, &reading.cache()}};
  nn::MediaView media{{reading.prompt().sequence.media}, {reading.media_index(rows)}};
  nn::ForwardContext context;
  context.lanes = lanes;
  context.hook = family.block_hook();
  if (context.hook != nullptr) context.media = &media;
  auto& model = family.language_model();
  return model.logits(
      model.forward(reading.embeddings(model, rows).unsqueeze(0), context).squeeze(0));
}

double off(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

// Whatever a marker among the tokens does to what is read, it does here too.
TEST(Reading, LateMarkersMeanTheSame) {
  const auto model = std::filesystem::path(ISTHMUS_FIXTURES) / "openflamingo/media_masking/model";
  for (const auto late : {families::LateMarker::kIgnored, families::LateMarker::kResets,
                          families::LateMarker::kCounts}) {
    const Setting s = setting(model, with_pictures(), late);
    const c10::InferenceMode inference;
    families::Family& family = s.engine->family();
    nn::PagePool pool(family.language_model().cache_geometry(), nn::KvStorage::kF32, 8);
    Reading reading(s.prompt, nn::PagedCache(pool));
    engine::Rows rows(family, std::span(&s.prompt->sequence, 1), family.new_cache(1, 64), late);
    const Tensor expected = rows.last_logits(rows.prefill());
    EXPECT_LT(off(read(family, reading, reading.unread()), expected), 1e-4);
    reading.finish_prompt();
    const int64_t marker = family.media_marker();
    for (const int64_t token : {int64_t{72}, marker, int64_t{13}, marker, int64_t{14}}) {
      reading.append(token);
      const std::vector<int64_t> step{token};
      EXPECT_LT(off(read(family, reading, 1), rows.last_logits(rows.step(step))), 1e-4) << token;
    }
    // All of it once more, in one piece.
    reading.forget();
    EXPECT_EQ(reading.length(), 0);
    const std::vector<int64_t> last{5};
    reading.append(5);
    EXPECT_LT(off(read(family, reading, reading.unread()), rows.last_logits(rows.step(last))),
              1e-4);
  }
}

TEST(Reading, TheAnswerTakesThePlaceOfTheLastRows) {
  const Setting s =
      setting(kDemo / "models/onellm", serving_testing::request_of("what is it ?", {"table01.png"}),
              families::LateMarker::kIgnored, 2);
  const c10::InferenceMode inference;
  families::Family& family = s.engine->family();
  nn::PagePool pool(family.language_model().cache_geometry(), nn::KvStorage::kF32, 32);
  PrefixCache prefixes(pool);
  const int64_t length = s.prompt->sequence.length();
  engine::Rows rows(family, std::span(&s.prompt->sequence, 1), family.new_cache(1, length + 8),
                    families::LateMarker::kIgnored, 2);
  Reading reading(s.prompt, nn::PagedCache(pool));
  EXPECT_EQ(reading.begin_with(prefixes), 0);
  EXPECT_LT(off(read(family, reading, length), rows.last_logits(rows.prefill())), 1e-4);
  reading.publish(prefixes);
  reading.finish_prompt();
  EXPECT_EQ(reading.length(), length - 2);
  const std::vector<int64_t> step{9};
  reading.append(9);
  EXPECT_LT(off(read(family, reading, 1), rows.last_logits(rows.step(step))), 1e-4);
  // Another finds what stays of it.
  Reading other(s.prompt, nn::PagedCache(pool));
  constexpr int64_t kPage = nn::PagePool::kPositions;
  EXPECT_EQ(other.begin_with(prefixes), (length - 2) / kPage * kPage);
}

TEST(Reading, NothingBehindALateMarkerIsPublished) {
  const auto model = std::filesystem::path(ISTHMUS_FIXTURES) / "openflamingo/media_masking/model";
  const Setting s = setting(model, with_pictures(), families::LateMarker::kResets);
  const c10::InferenceMode inference;
  families::Family& family = s.engine->family();
  nn::PagePool pool(family.language_model().cache_geometry(), nn::KvStorage::kF32, 8);
  PrefixCache prefixes(pool);
  Reading reading(s.prompt, nn::PagedCache(pool));
  read(family, reading, reading.unread());
  reading.finish_prompt();
  reading.append(family.media_marker());
  while (reading.length() < 3 * nn::PagePool::kPositions) {
    read(family, reading, 1);
    reading.append(7);
  }
  reading.publish(prefixes);
  reading.forget();
  EXPECT_EQ(pool.pages() - pool.free_pages(),
            s.prompt->sequence.length() / nn::PagePool::kPositions);
}

TEST(Reading, AForkGoesItsOwnWay) {
  const Setting s = setting(kDemo / "models/llava-v1.5",
                            serving_testing::request_of("what is it ?", {"table01.png"}),
                            families::LateMarker::kIgnored);
  const c10::InferenceMode inference;
  families::Family& family = s.engine->family();
  nn::PagePool pool(family.language_model().cache_geometry(), nn::KvStorage::kF32, 32);
  Reading first(s.prompt, nn::PagedCache(pool));
  read(family, first, first.unread());
  first.finish_prompt();
  auto second = first.fork();
  ASSERT_TRUE(second);
  Reading alone(s.prompt, nn::PagedCache(pool));
  read(family, alone, alone.unread());
  alone.finish_prompt();
  first.append(8);
  second->append(9);
  alone.append(9);
  read(family, first, 1);
  EXPECT_LT(off(read(family, *second, 1), read(family, alone, 1)), 1e-5);
}

}  // namespace
}  // namespace isthmus::serving
