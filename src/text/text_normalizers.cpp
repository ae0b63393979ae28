#include "text/text_normalizers.h"

#include <utility>
#include <variant>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "text/byte_level.h"
#include "text/pattern.h"
#include "text/sentencepiece_encoder.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace isthmus::text {

namespace {

using Word = PreTokenizer::Word;

class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::shared_ptr<const Normalizer>> steps)
      : steps_(std::move(steps)) {}
  void apply(MarkedText& text) const override {
    for (const auto& step : steps_) step->apply(text);
  }

 private:
  std::vector<std::shared_ptr<const Normalizer>> steps_;
};

class PrependNormalizer : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prefix) : prefix_(std::move(prefix)) {}
  void apply(MarkedText& text) const override {
    if (!text.text.empty()) text.prepend(prefix_);
  }

 private:
  std::string prefix_;
};

class ReplaceNormalizer : public Normalizer {
 public:
  ReplaceNormalizer(std::string from, std::string to)
      : from_(std::move(from)), to_(std::move(to)) {}
  void apply(MarkedText& text) const override { text.replace_all(from_, to_); }

 private:
  std::string from_, to_;
};

class NfcNormalizer : public Normalizer {
 public:
  void apply(MarkedText& text) const override { text = to_nfc(text); }
};

class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::shared_ptr<const PreTokenizer>> steps)
      : steps_(std::move(steps)) {}
  std::vector<Word> apply(std::vector<Word> words) const override {
    for (const auto& step : steps_) words = step->apply(std::move(words));
    return words;
  }

 private:
  std::vector<std::shared_ptr<const PreTokenizer>> steps_;
};

enum class Delimiter { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// Cuts `text` at the delimiters [begin, end), which are in order and do not overlap.
std::vector<std::string_view> cut(std::string_view text,
                                  const std::vector<std::pair<size_t, size_t>>& delimiters,
                                  Delimiter behavior) {
  std::vector<std::string_view> parts;
  const auto put = [&](size_t begin, size_t end) {
    if (begin < end) parts.push_back(text.substr(begin, end - begin));
  };
  size_t done = 0;
  for (size_t i = 0; i < delimiters.size(); ++i) {
    const size_t begin = delimiters[i].first;
    size_t end = delimiters[i].second;
    switch (behavior) {
      case Delimiter::kRemoved:
        put(done, begin);
        done = end;
        break;
      case Delimiter::kIsolated:
        put(done, begin);
        put(begin, end);
        done = end;
        break;
      case Delimiter::kContiguous:
        while (i + 1 < delimiters.size() && delimiters[i + 1].first == end)
          end = delimiters[++i].second;
        put(done, begin);
        put(begin, end);
        done = end;
        break;
      case Delimiter::kMergedWithPrevious:
        put(done, end);
        done = end;
        break;
      case Delimiter::kMergedWithNext:
        put(done, begin);
        done = begin;
        break;
    }
  }
  put(done, text.size());
  return parts;
}

// Replaces each word by the parts that `split` makes of it.
template <typename Split>
std::vector<Word> split_words(const std::vector<Word>& words, const Split& split) {
  std::vector<Word> out;
  for (const Word& word : words)
    for (const std::string_view part : split(std::string_view(word.text)))
      out.push_back({std::string(part), word.at_start && part.data() == word.text.data()});
  return out;
}

std::vector<std::pair<size_t, size_t>> find_all(std::string_view text, std::string_view pattern) {
  std::vector<std::pair<size_t, size_t>> found;
  for (size_t at = text.find(pattern); at != std::string_view::npos;
       at = text.find(pattern, at + pattern.size()))
    found.emplace_back(at, at + pattern.size());
  return found;
}

// "▁" for spaces, perhaps one in front.
class MetaspacePreTokenizer : public PreTokenizer {
 public:
  explicit MetaspacePreTokenizer(const JsonView& json)
      : replacement_(json.string("replacement", kWordBoundary)),
        scheme_(json.string("prepend_scheme",
                            json.boolean("add_prefix_space", true) ? "always" : "never")),
        split_(json.boolean("split", true)) {
    json.require(!replacement_.empty(), "replacement", "is empty");
    json.require(scheme_ == "first" || scheme_ == "always" || scheme_ == "never", "prepend_scheme",
                 fmt::format("expected first, always or never, found \"{}\"", scheme_));
  }

  std::vector<Word> apply(std::vector<Word> words) const override {
    for (Word& word : words) {
      MarkedText text{word.text, std::string(word.text.size(), '\0')};
      text.replace_all(" ", replacement_);
      const bool prepends = scheme_ == "always" || (scheme_ == "first" && word.at_start);
      if (prepends && !text.text.starts_with(replacement_)) text.prepend(replacement_);
      word.text = std::move(text.text);
    }
    if (!split_) return words;
    return split_words(words, [&](std::string_view text) {
      return cut(text, find_all(text, replacement_), Delimiter::kMergedWithNext);
    });
  }

 private:
  std::string replacement_, scheme_;
  bool split_;
};

class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  explicit ByteLevelPreTokenizer(const JsonView& json)
      : add_prefix_space_(json.boolean("add_prefix_space", true)),
        use_regex_(json.boolean("use_regex", true)) {}

  std::vector<Word> apply(std::vector<Word> words) const override {
    if (add_prefix_space_)
      for (Word& word : words)
        if (!word.text.starts_with(' ')) word.text.insert(0, 1, ' ');
    if (use_regex_) words = split_words(words, gpt2_split);
    for (Word& word : words) word.text = byte_level_encode(word.text);
    return words;
  }

 private:
  bool add_prefix_space_, use_regex_;
};

class DigitsPreTokenizer : public PreTokenizer {
 public:
  explicit DigitsPreTokenizer(bool individual) : individual_(individual) {}
  std::vector<Word> apply(std::vector<Word> words) const override {
    return split_words(words, [&](std::string_view text) {
      std::vector<std::pair<size_t, size_t>> digits;
      for (size_t i = 0; i < text.size();) {
        const Utf8Char c = decode_utf8(text, i);
        if (is_number(c.code_point)) digits.emplace_back(i, i + c.length);
        i += c.length;
      }
      return cut(text, digits, individual_ ? Delimiter::kIsolated : Delimiter::kContiguous);
    });
  }

 private:
  bool individual_;
};

using Places = std::vector<std::pair<size_t, size_t>>;

// What lies between them.
Places gaps(const Places& places, size_t size) {
  Places between;
  size_t done = 0;
  for (const auto& [begin, end] : places) {
    if (begin > done) between.emplace_back(done, begin);
    done = end;
  }
  if (size > done) between.emplace_back(done, size);
  return between;
}

class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(std::variant<std::string, Pattern> delimiter, bool invert, Delimiter behavior)
      : delimiter_(std::move(delimiter)), invert_(invert), behavior_(behavior) {}
  std::vector<Word> apply(std::vector<Word> words) const override {
    return split_words(words, [&](std::string_view text) {
      const auto* plain = std::get_if<std::string>(&delimiter_);
      const Places found =
          plain ? find_all(text, *plain) : std::get<Pattern>(delimiter_).find_all(text);
      return cut(text, invert_ ? gaps(found, text.size()) : found, behavior_);
    });
  }

 private:
  std::variant<std::string, Pattern> delimiter_;
  bool invert_;
  Delimiter behavior_;
};

// Only plain strings: {"String": "x"}, not {"Regex": "x"}.
std::string parse_pattern(const JsonView& json, std::string_view component) {
  const auto pattern = json.at("pattern").find("String");
  if (!pattern)
    throw UnsupportedError(
        fmt::format("{}: {} with a regular expression is not supported", json.where(), component));
  json.require(!pattern->as_string().empty(), "pattern", "is empty");
  return pattern->as_string();
}

std::variant<std::string, Pattern> parse_delimiter(const JsonView& json) {
  const JsonView pattern = json.at("pattern");
  if (const auto expression = pattern.find("Regex"))
    return Pattern::parse(expression->as_string(), expression->where());
  return parse_pattern(json, "pre_tokenizer Split");
}

Delimiter parse_behavior(const JsonView& json) {
  const std::string name = json.string("behavior");
  if (name == "Removed") return Delimiter::kRemoved;
  if (name == "Isolated") return Delimiter::kIsolated;
  if (name == "MergedWithPrevious") return Delimiter::kMergedWithPrevious;
  if (name == "MergedWithNext") return Delimiter::kMergedWithNext;
  if (name == "Contiguous") return Delimiter::kContiguous;
  json.fail(fmt::format("unknown behavior \"{}\"", name));
}

constexpr int kMaxNesting = 8;

std::shared_ptr<const Normalizer> parse_normalizer(const JsonView& json, int depth) {
  if (depth > kMaxNesting) json.fail("nested too deeply");
  const std::string type = json.string("type");
  if (type == "Sequence") {
    std::vector<std::shared_ptr<const Normalizer>> steps;
    for (const JsonView& item : json.at("normalizers").elements())
      steps.push_back(parse_normalizer(item, depth + 1));
    return std::make_shared<NormalizerSequence>(std::move(steps));
  }
  if (type == "Prepend") return std::make_shared<PrependNormalizer>(json.string("prepend"));
  if (type == "Replace")
    return std::make_shared<ReplaceNormalizer>(parse_pattern(json, "normalizer Replace"),
                                               json.string("content"));
  if (type == "NFC") return std::make_shared<NfcNormalizer>();
  throw UnsupportedError(fmt::format("{}: normalizer {} is not supported", json.where(), type));
}

std::shared_ptr<const PreTokenizer> parse_pre_tokenizer(const JsonView& json, int depth) {
  if (depth > kMaxNesting) json.fail("nested too deeply");
  const std::string type = json.string("type");
  if (type == "Sequence") {
    std::vector<std::shared_ptr<const PreTokenizer>> steps;
    for (const JsonView& item : json.at("pretokenizers").elements())
      steps.push_back(parse_pre_tokenizer(item, depth + 1));
    return std::make_shared<PreTokenizerSequence>(std::move(steps));
  }
  if (type == "Metaspace") return std::make_shared<MetaspacePreTokenizer>(json);
  if (type == "ByteLevel") return std::make_shared<ByteLevelPreTokenizer>(json);
  if (type == "Digits")
    return std::make_shared<DigitsPreTokenizer>(json.boolean("individual_digits", false));
  if (type == "Split") {
    return std::make_shared<SplitPreTokenizer>(parse_delimiter(json), json.boolean("invert", false),
                                               parse_behavior(json));
  }
  throw UnsupportedError(fmt::format("{}: pre_tokenizer {} is not supported", json.where(), type));
}

}  // namespace

std::shared_ptr<const Normalizer> Normalizer::parse(const JsonView& json) {
  return parse_normalizer(json, 0);
}

std::shared_ptr<const Normalizer> Normalizer::sentencepiece() {
  return std::make_shared<NormalizerSequence>(std::vector<std::shared_ptr<const Normalizer>>{
      std::make_shared<PrependNormalizer>(std::string(kWordBoundary)),
      std::make_shared<ReplaceNormalizer>(" ", std::string(kWordBoundary))});
}

std::shared_ptr<const PreTokenizer> PreTokenizer::parse(const JsonView& json) {
  return parse_pre_tokenizer(json, 0);
}

}  // namespace isthmus::text
