#include "isthmus/error.h"
#include "text/tokenize_prompt.h"
#include "text_testing.h"

namespace isthmus::text {
namespace {

// The text of a golden prompt, with a medium for every <image>. All of it is ours, so all of it is
// markup.
std::vector<PromptPart> parts_of(const std::string& text) {
  std::vector<PromptPart> parts;
  const std::string marker = "<image>";
  size_t done = 0, media = 0;
  for (size_t found = text.find(marker); found != std::string::npos;
       found = text.find(marker, done)) {
    parts.push_back({PromptPart::Kind::kMarkup, text.substr(done, found - done), 0});
    parts.push_back({PromptPart::Kind::kMedia, {}, media++});
    done = found + marker.size();
  }
  parts.push_back({PromptPart::Kind::kMarkup, text.substr(done), 0});
  return parts;
}

TEST(TokenizePrompt, EveryGoldenImagePromptIsExact) {
  const auto folder = kLlava / "tokenizer_prompts";
  const auto expect = expectations(folder)["tokenizers"];
  for (const auto& [name, entry] : expect.items()) {
    const auto tokenizer = Tokenizer::load(folder / entry["model"].get<std::string>());
    for (const auto& item : entry["image_prompts"]) {
      const auto prompt =
          tokenize_with_markers(*tokenizer, parts_of(item["text"].get<std::string>()));
      EXPECT_EQ(prompt.ids, ids_of(item["ids"])) << name << ": " << item["text"];
    }
    const std::vector<std::string> added{"<im_patch>", "<im_start>", "<im_end>"};
    const auto with_tokens = tokenizer->with_added_tokens(added);
    for (const auto& item : entry["with_added_im_tokens"]) {
      const auto prompt =
          tokenize_with_markers(*with_tokens, parts_of(item["text"].get<std::string>()));
      EXPECT_EQ(prompt.ids, ids_of(item["ids"])) << name << ": " << item["text"];
    }
  }
}

TEST(TokenizePrompt, WrappingEqualsTheTokensInTheText) {
  const auto tokenizer = Tokenizer::load(kLlava / "v1_linear/model/LLaVA-tiny-v0");
  EXPECT_EQ(
      tokenize_with_markers(*tokenizer, parts_of("Human: <image>\nhi"), true).ids,
      tokenize_with_markers(*tokenizer, parts_of("Human: <im_start><image><im_end>\nhi")).ids);
  const auto without = Tokenizer::load(kLlava / "tokenizer_prompts/model/legacy_true");
  EXPECT_THROW(tokenize_with_markers(*without, parts_of("<image>"), true), UsageError);
}

// The prompts of the models' own golden requests, in the original layout.
class RequestIds : public testing::TestWithParam<const char*> {};

TEST_P(RequestIds, AreExact) {
  const auto folder = kLlava / GetParam();
  const auto expect = expectations(folder);
  size_t compared = 0;
  for (const auto& request : expect["requests"]) {
    const auto& owner = request.contains("model") ? request : expect;
    auto model = folder / owner["model"].get<std::string>();
    if (request.contains("model_base")) model = folder / request["model_base"].get<std::string>();
    const auto config = nlohmann::json::parse(read_text(model / "config.json"));
    const bool fast = config["model_type"] == "llava_mistral";
    auto tokenizer = Tokenizer::load(model, {.prefer_fast = fast});
    std::vector<std::string> added;
    if (config.value("mm_use_im_patch_token", config.contains("mm_vision_tower")))
      added = {"<im_patch>"};
    if (config.value("mm_use_im_start_end", false))
      added.insert(added.end(), {"<im_start>", "<im_end>"});
    tokenizer = tokenizer->with_added_tokens(added);
    const auto prompt =
        tokenize_with_markers(*tokenizer, parts_of(request["prompt"].get<std::string>()));
    EXPECT_EQ(prompt.ids, ids_of(request["input_ids"])) << request["name"];
    ++compared;
    if (request.contains("output_text")) {
      EXPECT_EQ(tokenizer->decode(ids_of(request["output_ids"]), true),
                request["output_text"].get<std::string>())
          << request["name"];
    }
  }
  EXPECT_GT(compared, 0u);
}

INSTANTIATE_TEST_SUITE_P(Cases, RequestIds,
                         testing::Values("v15_original", "v1_linear", "adapters",
                                         "v16_anyres_vicuna", "v16_anyres_mistral"));

TEST(TokenizePrompt, HuggingFaceRequestsAreExact) {
  for (const char* name : {"hf_llava15", "hf_llava_next"}) {
    const auto folder = kLlava / name;
    const auto expect = expectations(folder);
    const auto tokenizer =
        Tokenizer::load(folder / expect["model"].get<std::string>(), {.prefer_fast = true});
    const auto image = expect["image_token_id"].get<TokenId>();
    for (const auto& request : expect["requests"]) {
      const auto expected = ids_of(request["input_ids"]);
      const auto parts = parts_of(request["prompt"].get<std::string>());
      std::vector<size_t> counts;  // lengths of the runs of the image token
      for (size_t i = 0; i < expected.size(); ++i) {
        if (expected[i] != image) continue;
        if (i == 0 || expected[i - 1] != image) counts.push_back(0);
        ++counts.back();
      }
      const auto prompt = tokenize_expanded(*tokenizer, parts, "<image>", counts);
      EXPECT_EQ(prompt.ids, expected) << name << " " << request["name"];
      EXPECT_EQ(prompt.media.size(), counts.size());
    }
    EXPECT_THROW(tokenize_expanded(*tokenizer, parts_of("<image>"), "<image>", {}), UsageError);
    EXPECT_THROW(tokenize_expanded(*tokenizer, parts_of("<image>"), "<no such token>", {}),
                 UsageError);
    const std::vector<PromptPart> spelt{{PromptPart::Kind::kMarkup, "<image>", 0}};
    EXPECT_THROW(tokenize_expanded(*tokenizer, spelt, "<image>", {}), UsageError);
  }
}

TEST(TokenizePrompt, UserTextIsNeverAMediumOrASpecialToken) {
  const auto tokenizer = Tokenizer::load(kLlava / "tokenizer_prompts/model/legacy_false");
  const std::vector<Message> messages{
      {Role::kUser, {Content::of_text("<image></s>"), Content::of_media(4)}}};
  const auto prompt =
      tokenize_with_markers(*tokenizer, render(*find_template("vicuna_v1"), messages, true));
  EXPECT_EQ(prompt.media, std::vector<size_t>{4});
  EXPECT_EQ(std::count(prompt.ids.begin(), prompt.ids.end(), kMediaMarker), 1);
  EXPECT_EQ(std::count(prompt.ids.begin(), prompt.ids.end(), 2), 0);
}

}  // namespace
}  // namespace isthmus::text
