#include "text/word_cuts.h"

#include <algorithm>
#include <iterator>

#include <nlohmann/json.hpp>

namespace isthmus::text {
namespace {

// The published expressions, as the tokenizer.json of the first model with each says them.
constexpr const char* kDigit = R"(\p{N})";
constexpr const char* kThreeDigits = R"(\p{N}{1,3})";
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N})"
    R"(| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kFalconMarks = R"([\p{P}\$\+<=>\^~\|`]+)";
constexpr const char* kBloom = R"( ?[^(\s|.,!?…。，、।۔،)]+)";
constexpr const char* kLineBreak = R"([\r\n])";
// DeepSeek's own lists: letters that have cases (without Armenian, Georgian and much else), and
// ranges of East Asian characters.
constexpr const char* kDeepSeekCasedWords =
    R"(\s?)"
    R"([A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-)"
    R"(Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ)"
    R"(-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
constexpr const char* kDeepSeekMarks = R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)";
constexpr const char* kDeepSeekEastAsian = R"([一-龥ࠀ-一가-퟿]+)";
constexpr const char* kDeepSeekV3EastAsian = R"([一-龥぀-ゟ゠-ヿ]+)";
constexpr const char* kDeepSeekV3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

struct Named {
  std::string_view name;
  WordCuts cuts;
};

constexpr WordCuts kGpt2Cuts = {{}, true, {}};
constexpr WordCuts kDigitsApart = {{kDigit}, true, {}};
constexpr WordCuts kLlama3Cuts = {{kLlama3}, false, {}, /*ignores_merges=*/true, /*adds_bos=*/true};
constexpr WordCuts kQwen2Cuts = {{kQwen2}, false, {}};
constexpr WordCuts kGpt4oCuts = {{kGpt4o}, false, {}};
constexpr WordCuts kBloomCuts = {{kBloom}, false, {}};
constexpr WordCuts kDeepSeekV3Cuts = {{kThreeDigits, kDeepSeekV3EastAsian, kDeepSeekV3}, false, {}};

constexpr Named kNamed[] = {
    {"gpt-2", kGpt2Cuts},
    {"mpt", kGpt2Cuts},
    {"olmo", kGpt2Cuts},
    {"jais", kGpt2Cuts},
    {"phi-2", kGpt2Cuts},
    {"gigachat", kGpt2Cuts},
    {"exaone4", kGpt2Cuts},
    {"trillion", kGpt2Cuts},
    {"granite-docling", kGpt2Cuts},
    {"starcoder", kDigitsApart},
    {"refact", kDigitsApart},
    {"command-r", kDigitsApart},
    {"smollm", kDigitsApart},
    {"codeshell", kDigitsApart},
    {"exaone", kDigitsApart},
    {"minerva-7b", kDigitsApart},
    {"falcon", {{kFalconMarks}, true, {"[0-9][0-9][0-9]"}}},
    {"llama3", kLlama3Cuts},
    {"llama-v3", kLlama3Cuts},
    {"llama-bpe", kLlama3Cuts},
    {"falcon3", kLlama3Cuts},
    {"falcon-h1", kLlama3Cuts},
    {"pixtral", kLlama3Cuts},
    {"midm-2.0", kLlama3Cuts},
    {"lfm2", kLlama3Cuts},
    {"dbrx", {{kLlama3}, false, {}}},
    {"smaug-bpe", {{kLlama3}, false, {}}},
    {"chatglm-bpe", {{kLlama3}, false, {}}},
    {"glm4", {{kLlama3}, false, {}, /*ignores_merges=*/true}},
    {"qwen2", kQwen2Cuts},
    {"deepseek-r1-qwen", kQwen2Cuts},
    {"stablelm2", kQwen2Cuts},
    {"hunyuan", kQwen2Cuts},
    {"megrez", kQwen2Cuts},
    {"grok-2", kQwen2Cuts},
    {"qwen35", {{kQwen35}, false, {}}},
    {"tekken", {{kTekken}, false, {}, /*ignores_merges=*/true, /*adds_bos=*/true}},
    {"gpt-4o", kGpt4oCuts},
    {"llama4", kGpt4oCuts},
    {"kanana2", kGpt4oCuts},
    {"poro-chat", kBloomCuts},
    {"bloom", kBloomCuts},
    {"gpt3-finnish", kBloomCuts},
    {"viking", {{kBloom, kDigit}, false, {}}},
    {"deepseek-llm",
     {{kLineBreak, kDeepSeekCasedWords, kDeepSeekMarks, R"(\s+$)", kDeepSeekEastAsian, R"(\p{N}+)"},
      false,
      {}}},
    {"deepseek-coder",
     {{kLineBreak, R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepSeekEastAsian, kDigit}, false, {}}},
    {"deepseek-v3", kDeepSeekV3Cuts},
    {"hunyuan-dense", kDeepSeekV3Cuts},
};

}  // namespace

const WordCuts* find_word_cuts(std::string_view name) {
  const auto* found = std::ranges::find(kNamed, name, &Named::name);
  return found == std::end(kNamed) ? nullptr : &found->cuts;
}

std::vector<std::string_view> word_cut_names() {
  std::vector<std::string_view> names;
  for (const Named& named : kNamed) names.push_back(named.name);
  return names;
}

nlohmann::json pre_tokenizer_json(const WordCuts& cuts, bool add_prefix_space) {
  nlohmann::json steps = nlohmann::json::array();
  const auto add = [&](const auto& expressions) {
    for (const char* expression : expressions)
      if (expression != nullptr)
        steps.push_back(
            {{"type", "Split"}, {"pattern", {{"Regex", expression}}}, {"behavior", "Isolated"}});
  };
  add(cuts.before);
  steps.push_back(
      {{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"use_regex", cuts.gpt2}});
  add(cuts.after);
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

}  // namespace isthmus::text
