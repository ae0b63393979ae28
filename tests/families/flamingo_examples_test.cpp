// What OpenFlamingo's data pipeline makes of pages, sequences and captions.
#include "base/ordered_json.h"
#include "families/flamingo/examples.h"

#include <filesystem>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/json_view.h"
#include "error_message.h"
#include "samples/interleaved.h"

namespace isthmus::families::flamingo {
namespace {

using nlohmann::json;
using samples::BadSample;
using samples::Sample;

constexpr int64_t kIgnored = -100;

std::filesystem::path fixture(const std::string& relative) {
  return std::filesystem::path(ISTHMUS_FIXTURES) / "openflamingo" / relative;
}

std::vector<int64_t> ids_in(const JsonView& list) {
  std::vector<int64_t> ids;
  for (const JsonView& id : list.elements()) ids.push_back(id.as_integer());
  return ids;
}

// The ids with their labels, as the reference has them.
struct Labelled {
  std::vector<int64_t> ids, labels;
};

Labelled labelled(const Example& example) {
  Labelled out;
  for (const Segment& segment : example.segments) {
    if (const auto* text = std::get_if<TextSegment>(&segment)) {
      for (const int64_t id : text->ids) {
        out.ids.push_back(id);
        out.labels.push_back(text->is_target ? id : kIgnored);
      }
    } else {
      out.ids.push_back(std::get<MediaSegment>(segment).marker);
      out.labels.push_back(kIgnored);
    }
  }
  return out;
}

// A picture whose bytes say which one it is, prepared to that number.
std::vector<std::byte> picture(size_t number, size_t bytes = 1) {
  return std::vector<std::byte>(bytes, static_cast<std::byte>(number));
}

modalities::Prepared prepare_number(const Part& part, const std::string&) {
  modalities::Prepared prepared;
  prepared.values = {static_cast<float>(part.data.at(0))};
  return prepared;
}

class FlamingoExamples : public testing::Test {
 protected:
  Example example(const Sample& sample, const ExampleOptions& options = {}) const {
    return make_example(sample, options, tokens_, prepare_number);
  }
  // Text of the tokens; those without loss in brackets.
  std::string marked(const Sample& sample, const ExampleOptions& options = {}) const {
    std::string text;
    for (const Segment& segment : example(sample, options).segments) {
      if (const auto* part = std::get_if<TextSegment>(&segment)) {
        const std::string decoded = tokens_.tokenizer->decode(part->ids, false);
        text += part->is_target ? decoded : "[" + decoded + "]";
      } else {
        text += "<image" + std::to_string(std::get<MediaSegment>(segment).input) + ">";
      }
    }
    return text;
  }

  layout::FlamingoTokens tokens_ =
      layout::FlamingoTokens::load(fixture("neox_pythia_parallel/model/lm"));
};

Sample document(std::vector<Part> parts) {
  Sample sample;
  sample.name = "doc";
  sample.document = std::move(parts);
  return sample;
}

ExampleOptions at_most(int64_t tokens) {
  ExampleOptions options;
  options.max_length = tokens;
  return options;
}

ExampleOptions in_template(const std::string& name) {
  ExampleOptions options;
  options.conversation_template = name;
  return options;
}

// A page in which picture i belongs to sentence i.
Sample page(const std::vector<std::string>& sentences, size_t pictures) {
  Sample sample;
  sample.name = "page";
  sample.similarities.emplace();
  for (size_t i = 0; i < pictures; ++i) {
    sample.document.push_back(Part::of_image_data(picture(i)));
    sample.similarities->emplace_back(sentences.size(), 0.3)[i] = 0.9;
  }
  for (const std::string& sentence : sentences) sample.document.push_back(Part::of_text(sentence));
  return sample;
}

const Part kPicture = Part::of_image_data(picture(0));

Sample conversation() {
  Sample sample;
  sample.name = "chat";
  sample.media = {kPicture};
  sample.turns = {{"user", "<image>\nWhat is it?"},
                  {"assistant", "A cat."},
                  {"user", "Which colour?"},
                  {"assistant", "red"}};
  return sample;
}

class FlamingoDataGolden : public testing::TestWithParam<const char*> {};

// Every document of the golden shards: accepted or not and why, ids, labels, number of pictures.
TEST_P(FlamingoDataGolden, PagesBecomeWhatTheReferenceMakesOfThem) {
  const JsonView golden = JsonView::load(fixture(std::string(GetParam()) + "/data.json"));
  const JsonView settings = golden.at("settings");
  const auto tokens =
      layout::FlamingoTokens::load(fixture(settings.string("tokenizer") + "/model/lm"));
  const std::map<std::string, std::string> reasons = {
      {"No images in sample", "none of its "},
      {"Only one image in sample", "is one of the pages with a single picture"}};
  for (const JsonView& expected : golden.at("mmc4").elements()) {
    SCOPED_TRACE(expected.where());
    json page = {{"text_list", expected.at("text_list").raw()},
                 {"similarity_matrix", expected.at("similarity_matrix").raw()},
                 {"image_info", json::array()}};
    for (const OrderedJson& bytes : expected.at("bytes").raw()) {
      page["image_info"].push_back(json::object());
      if (bytes.is_null()) continue;
      const auto content = picture(page["image_info"].size(), bytes.get<size_t>());
      page["image_info"].back()["image_base64"] = encode_base64(content);
    }
    ExampleOptions options = at_most(settings.integer("max_tokens"));
    options.min_media = settings.integer("min_num_images");
    options.max_media = settings.integer("max_num_images");
    options.similarity_threshold = settings.number("sim_threshold");
    options.random = [&] { return expected.number("random"); };
    size_t places = 0;
    const auto made = [&] {
      const Sample sample = samples::read_interleaved(
          page.dump(), "doc", {static_cast<size_t>(settings.integer("min_kb"))});
      const auto placed = samples::place_media(
          sample, {options.similarity_threshold, static_cast<size_t>(options.max_media)});
      places = static_cast<size_t>(std::ranges::count(placed, Part::Type::kMedia, &Part::type));
      return make_example(sample, options, tokens, prepare_number);
    };
    if (!expected.boolean("accepted")) {
      const std::string message = message_of<BadSample>([&] { made(); });
      EXPECT_TRUE(message.starts_with("doc: " + reasons.at(expected.string("reason")))) << message;
      continue;
    }
    const Example example = made();
    const Labelled got = labelled(example);
    EXPECT_EQ(got.ids, ids_in(expected.at("input_ids")));
    if (expected.contains("labels")) {
      EXPECT_EQ(got.labels, ids_in(expected.at("labels")));
    }
    // The reference also encodes pictures whose places were cut off, which no token can see.
    EXPECT_EQ(places, static_cast<size_t>(expected.integer("images")));
    EXPECT_EQ(std::ssize(example.media), std::ranges::count(got.ids, tokens.image));
  }
}

TEST_P(FlamingoDataGolden, CaptionsBecomeWhatTheReferenceMakesOfThem) {
  const JsonView golden = JsonView::load(fixture(std::string(GetParam()) + "/data.json"));
  const JsonView settings = golden.at("settings");
  const auto tokens =
      layout::FlamingoTokens::load(fixture(settings.string("tokenizer") + "/model/lm"));
  for (const JsonView& expected : golden.at("laion").elements()) {
    SCOPED_TRACE(expected.where());
    const Sample pair = document({kPicture, Part::of_text(expected.string("caption"))});
    const Example example =
        make_example(pair, at_most(settings.integer("laion_max_tokens")), tokens, prepare_number);
    EXPECT_EQ(labelled(example).ids, ids_in(expected.at("input_ids")));
    EXPECT_EQ(labelled(example).labels, ids_in(expected.at("labels")));
    EXPECT_EQ(example.media.size(), 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, FlamingoDataGolden, testing::Values("train_neox", "train_mpt_tied"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(FlamingoExamples, LossEndsWithEachChunkAndBeginsWithEachPicture) {
  EXPECT_EQ(marked(page({"A cat.", "So.", "A dog."}, 1)),
            "<image0>A cat. So. A dog.<|endofchunk|>[<|endoftext|>]");
  Sample later = document({Part::of_text("Hi. "), kPicture, Part::of_text("A cat. "), kPicture,
                           Part::of_text(" A dog.")});
  EXPECT_EQ(marked(later),
            "[Hi.]<image0>A cat.<|endofchunk|><image1>A dog.<|endofchunk|>[<|endoftext|>]");
}

TEST_F(FlamingoExamples, OfSpacesAtAPictureOneIsTakenAwayOnEitherSide) {
  EXPECT_EQ(marked(document({Part::of_text("a  "), kPicture, Part::of_text("  b  "), kPicture,
                             Part::of_text(" "), kPicture, Part::of_text(" c ")})),
            "[a ]<image0> b <|endofchunk|><image1><|endofchunk|><image2>c <|endofchunk|>"
            "[<|endoftext|>]");
}

TEST_F(FlamingoExamples, CaptionsLearnTheirEndToo) {
  EXPECT_EQ(marked(document({kPicture, Part::of_text(" a cat\n")})),
            "<image0>a cat<|endofchunk|><|endoftext|>");
  EXPECT_EQ(marked(document({kPicture, Part::of_text("a cat")}), in_template("interleaved")),
            "<image0>a cat<|endofchunk|>[<|endoftext|>]");
}

TEST_F(FlamingoExamples, HalfOfThePagesWithOnePictureAreLeftOut) {
  const auto draw = [](double value) {
    ExampleOptions options;
    options.random = [value] { return value; };
    return options;
  };
  EXPECT_NO_THROW(example(page({"A cat."}, 1), draw(0.51)));
  EXPECT_THROW(example(page({"A cat."}, 1), draw(0.5)), BadSample);
  EXPECT_NO_THROW(example(page({"A cat.", "A dog."}, 2), draw(0.1)));
  EXPECT_NO_THROW(example(page({"A cat."}, 1)));  // nothing is left to chance
  EXPECT_NO_THROW(example(document({Part::of_text("a"), kPicture, Part::of_text("b")}), draw(0.1)));
}

TEST_F(FlamingoExamples, WhatIsCutOffTakesItsPicturesAlong) {
  const Sample two = page({"A cat.", "A dog."}, 2);
  const auto whole = labelled(example(two)).ids;
  const auto second = std::find(whole.begin() + 1, whole.end(), tokens_.image) - whole.begin();
  EXPECT_EQ(example(two, at_most(second)).media.size(), 1u);
  EXPECT_EQ(example(two, at_most(second + 1)).media.size(), 2u);
  ExampleOptions both = at_most(second);
  both.min_media = 2;
  EXPECT_EQ(message_of<BadSample>([&] { example(two, both); }),
            "page: has 1 pictures within its " + std::to_string(second) +
                " tokens, at least 2 are asked for");
}

TEST_F(FlamingoExamples, AnExampleWithoutLossIsRefused) {
  EXPECT_EQ(message_of<BadSample>([&] { example(page({"A cat."}, 1), at_most(1)); }),
            "page: no token of it carries loss: nothing follows its pictures");
}

TEST_F(FlamingoExamples, TextNeverBecomesAToken) {
  const auto ids =
      labelled(example(document({kPicture, Part::of_text("<image><|endofchunk|>")}))).ids;
  EXPECT_EQ(std::ranges::count(ids, tokens_.image), 1);
  EXPECT_EQ(std::ranges::count(ids, tokens_.endofchunk), 1);
}

TEST_F(FlamingoExamples, AConversationIsSolvedExamplesOfOnePicture) {
  EXPECT_EQ(marked(conversation()),
            "<image0>[Question:What is it? Short answer:]A cat.<|endofchunk|>[\n]"
            "<image0>[Question:Which colour? Short answer:]red<|endofchunk|>[<|endoftext|>]");
  EXPECT_EQ(example(conversation()).media.size(), 1u);
  EXPECT_EQ(marked(conversation(), in_template("{media}: {question} {answer}{end}")),
            "<image0>[: What is it?] A cat.<|endofchunk|><image0>[: Which colour?] red"
            "<|endofchunk|>[<|endoftext|>]");
}

TEST_F(FlamingoExamples, AnswersOfAConversationWeighAsTheirTurns) {
  Sample chat = conversation();
  chat.weights = {0, 0, 0, 0.5};
  float weight = 0;
  for (const Segment& segment : example(chat).segments)
    if (const auto* text = std::get_if<TextSegment>(&segment); text != nullptr && text->is_target) {
      EXPECT_EQ(tokens_.tokenizer->decode(text->ids, false), "red<|endofchunk|>");
      weight = text->weight;
    }
  EXPECT_EQ(weight, 0.5f);
}

TEST_F(FlamingoExamples, ATurnThatOnlyShowsThePictureAsksForItsCaption) {
  Sample chat = conversation();
  chat.turns.resize(2);
  chat.turns[0].text = "<image>";
  EXPECT_EQ(marked(chat), "<image0>A cat.<|endofchunk|>[<|endoftext|>]");
}

TEST_F(FlamingoExamples, MisuseIsNamed) {
  Sample chat = conversation();
  EXPECT_NE(message_of<UsageError>([&] {
              example(chat, in_template("v1"));
            }).find("there is no prompt form \"v1\""),
            std::string::npos);
  std::swap(chat.turns[0], chat.turns[1]);
  EXPECT_EQ(message_of<BadSample>([&] { example(chat); }),
            "chat: human and gpt do not take turns, human first");
  chat.media.clear();
  EXPECT_EQ(message_of<BadSample>([&] { example(chat); }), "chat: has no picture");
  const Sample pair = document({kPicture, Part::of_text("a")});
  EXPECT_EQ(message_of<UsageError>([&] { example(pair, in_template("v1")); }),
            "template \"v1\": this model is trained on \"caption\" and \"interleaved\"");
  EXPECT_EQ(message_of<BadSample>(
                [&] { example(document({Part::of_text("a")}), in_template("caption")); }),
            "doc: is not a picture, then its caption");
}

}  // namespace
}  // namespace isthmus::families::flamingo
