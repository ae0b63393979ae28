#include "samples/interleaved.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "error_message.h"

namespace isthmus::samples {
namespace {

using nlohmann::json;

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

// A picture of so many bytes that all say which one it is.
json picture(char mark, size_t bytes = 11000) {
  return {{"image_name", "x.jpg"},
          {"image_base64", encode_base64(bytes_of(std::string(bytes, mark)))}};
}

json page(json texts, json similarities, json pictures) {
  return {{"text_list", std::move(texts)},
          {"similarity_matrix", std::move(similarities)},
          {"image_info", std::move(pictures)}};
}

// Pictures as [mark] in their places.
std::string spelt(const std::vector<Part>& document) {
  std::string text;
  for (const Part& part : document)
    text += part.type == Part::Type::kMedia
                ? std::string("[") + static_cast<char>(part.data.at(0)) + "]"
                : part.text;
  return text;
}

std::string placed(const json& document, const PlacementOptions& options = {}) {
  return spelt(place_media(read_interleaved(document.dump(), "page"), options));
}

const json kCrossed =
    page({"One.", "Two.", "Three."}, {{0.1, 0.2, 0.9}, {0.8, 0.3, 0.7}, {0.2, 0.26, 0.1}},
         {picture('a'), picture('b'), picture('c')});

TEST(Interleaved, APageIsItsPicturesThenItsTextsAndHowAlikeTheyAre) {
  const Sample sample = read_interleaved(kCrossed.dump(), "page");
  EXPECT_EQ(sample.name, "page");
  EXPECT_EQ(spelt(sample.document), "[a][b][c]One.Two.Three.");
  ASSERT_TRUE(sample.similarities);
  EXPECT_EQ((*sample.similarities)[1], (std::vector<double>{0.8, 0.3, 0.7}));
}

TEST(Interleaved, SmallPicturesAndThoseWithoutBytesAreLeftOut) {
  json pictures = {picture('a', 10999), picture('b', 11000), picture('c')};
  pictures[2].erase("image_base64");
  const Sample sample =
      read_interleaved(page({"One."}, {{0.1}, {0.2}, {0.3}}, pictures).dump(), "page");
  EXPECT_EQ(spelt(sample.document), "[b]One.");
  EXPECT_EQ(*sample.similarities, (std::vector<std::vector<double>>{{0.2}}));
  pictures.erase(1);
  EXPECT_EQ(message_of<BadSample>([&] {
              read_interleaved(page({"One."}, {{0.1}, {0.2}}, pictures).dump(), "page");
            }),
            "page: none of its 2 pictures has more than 10 kB");
}

// Quirk media_in_page_order
TEST(Interleaved, ThePublishedOrderGivesThePlacesOfTheTextToPicturesInTheOrderOfThePage) {
  EXPECT_EQ(placed(kCrossed), "[a]One. [b]Two. [c]Three.");
  EXPECT_EQ(placed(kCrossed, {.in_page_order = false}), "[b]One. [c]Two. [a]Three.");
}

TEST(Interleaved, PicturesLikeNoTextHaveNoPlace) {
  EXPECT_EQ(placed(kCrossed, {.similarity_threshold = 0.3}), "[a]One. Two. [b]Three.");
  EXPECT_EQ(placed(kCrossed, {.similarity_threshold = 0.3, .in_page_order = false}),
            "[b]One. Two. [a]Three.");
  EXPECT_EQ(placed(kCrossed, {.similarity_threshold = 0.9}), "One. Two. [a]Three.");
  EXPECT_EQ(message_of<BadSample>([] { placed(kCrossed, {.similarity_threshold = 0.95}); }),
            "page: none of its 3 pictures has a text as alike as 0.95");
}

TEST(Interleaved, TheFirstPicturesOfThePageStay) {
  EXPECT_EQ(placed(kCrossed, {.max_media = 1, .in_page_order = false}), "One. Two. [a]Three.");
  EXPECT_EQ(placed(kCrossed, {.max_media = 2, .in_page_order = false}), "[b]One. Two. [a]Three.");
}

TEST(Interleaved, MorePicturesThanTexts) {
  EXPECT_EQ(placed(page({"One."}, {{0.5}, {0.7}}, {picture('a'), picture('b')})), "[b]One.");
}

TEST(Interleaved, TextsKeepTheirSpacesAndEmptyOnesTheirPlace) {
  EXPECT_EQ(placed(page({"", " x ", ""}, {{0.5, 0.2, 0.1}, {0.1, 0.2, 0.5}},
                        {picture('a'), picture('b')})),
            "[a]  x  [b]");
}

TEST(Interleaved, SequencesShowThePicturesTheyName) {
  const json sequence = {{"is_gpt", true},
                         {"example", "A _!_IMAGE1_!_ cat. _!_IMAGE10_!_ _!_IMAGE_!_ dog."},
                         {"image_map",
                          {{"_!_IMAGE1_!_", {{"base64_image", encode_base64(bytes_of("a"))}}},
                           {"_!_IMAGE10_!_", {{"base64_image", encode_base64(bytes_of("b"))}}}}}};
  const Sample sample = read_interleaved(sequence.dump(), "chat");
  EXPECT_EQ(spelt(sample.document), "A [a] cat. [b] _!_IMAGE_!_ dog.");
  EXPECT_FALSE(sample.similarities);
  json broken = sequence;
  broken["example"] = "_!_IMAGE2_!_";
  EXPECT_EQ(message_of<BadSample>([&] { read_interleaved(broken.dump(), "chat"); }),
            "chat: image_map._!_IMAGE2_!_: missing");
}

// Quirk: one fewer than allowed
TEST(Interleaved, ASequenceWithTooManyPicturesIsCutBeforeTheLastThatWouldFit) {
  const std::vector<Part> document = {Part::of_text("x"), Part::of_image_data(bytes_of("a")),
                                      Part::of_text("y"), Part::of_image_data(bytes_of("b")),
                                      Part::of_text("z"), Part::of_image_data(bytes_of("c"))};
  EXPECT_EQ(spelt(cut_at_media(document, 3)), "x[a]y[b]z[c]");
  EXPECT_EQ(spelt(cut_at_media(document, 2)), "x[a]y");
  EXPECT_EQ(spelt(cut_at_media(document, 0)), "x[a]y[b]z[c]");
}

TEST(Interleaved, BrokenPagesSayWhatIsWrong) {
  const auto complaint = [](const std::string& text) {
    return message_of<BadSample>([&] { read_interleaved(text, "s.tar: 7.json"); });
  };
  EXPECT_EQ(complaint("{"), "s.tar: 7.json: not valid JSON at byte 2");
  EXPECT_EQ(complaint("{}"), "s.tar: 7.json: text_list: missing");
  json broken = kCrossed;
  broken["similarity_matrix"].erase(0);
  EXPECT_EQ(complaint(broken.dump()),
            "s.tar: 7.json: similarity_matrix has 2 rows, image_info has 3 pictures");
  broken = kCrossed;
  broken["similarity_matrix"][1] = {0.1};
  EXPECT_EQ(complaint(broken.dump()),
            "s.tar: 7.json: similarity_matrix[1]: has 1 numbers, text_list has 3 texts");
  broken = kCrossed;
  broken["similarity_matrix"][1][2] = 1e300;
  EXPECT_EQ(complaint(broken.dump()), "s.tar: 7.json: similarity_matrix[1][2]: is no similarity");
  broken = kCrossed;
  broken["image_info"][2]["image_base64"] = "a*";
  EXPECT_EQ(complaint(broken.dump()), "s.tar: 7.json: image_info[2].image_base64: is not base64");
}

TEST(CaptionPair, IsAPictureThenItsCaption) {
  Members members = {{"txt", bytes_of(" a cat\n")}, {"png", bytes_of("b")}, {"json", {}}};
  EXPECT_EQ(spelt(read_caption_pair(members, "7").document), "[b] a cat\n");
  members["jpg"] = bytes_of("a");
  EXPECT_EQ(spelt(read_caption_pair(members, "7").document), "[a] a cat\n");
  members["txt"] = bytes_of("\xff");
  EXPECT_EQ(message_of<BadSample>([&] { read_caption_pair(members, "7"); }),
            "7: its caption is not UTF-8");
  EXPECT_EQ(message_of<BadSample>([] {
              read_caption_pair({{"png", {}}}, "7");
            }),
            "7: has no caption (.txt)");
  EXPECT_EQ(message_of<BadSample>([] {
              read_caption_pair({{"txt", {}}}, "7");
            }),
            "7: has no picture (.jpg, .png or .jpeg)");
}

}  // namespace
}  // namespace isthmus::samples
