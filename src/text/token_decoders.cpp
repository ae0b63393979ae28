#include "text/token_decoders.h"

#include <functional>
#include <vector>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "text/byte_level.h"
#include "text/sentencepiece_encoder.h"
#include "text/utf8.h"

namespace isthmus::text {

namespace {

// str.replace over a stream: holds what may be the beginning of `from`.
class StreamReplace {
 public:
  StreamReplace(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}

  void push(std::string_view text, std::string& out) {
    held_.append(text);
    size_t done = 0;
    for (size_t found = held_.find(from_); found != std::string::npos;
         found = held_.find(from_, done)) {
      out.append(held_, done, found - done);
      out.append(to_);
      done = found + from_.size();
    }
    size_t keep = std::min(from_.size() - 1, held_.size() - done);
    while (keep > 0 && !from_.starts_with(std::string_view(held_).substr(held_.size() - keep)))
      --keep;
    out.append(held_, done, held_.size() - keep - done);
    held_.erase(0, held_.size() - keep);
  }
  void finish(std::string& out) {
    out.append(held_);
    held_.clear();
  }

 private:
  std::string from_, to_, held_;
};

class ReplaceStage : public DecoderStage {
 public:
  ReplaceStage(std::string from, std::string to, bool fused)
      : from_(std::move(from)), to_(std::move(to)), fused_(fused), stream_(from_, to_) {}
  void token(std::string_view token) override {
    std::string out;
    stream_.push(token, out);
    if (!fused_) stream_.finish(out);
    next->token(out);
  }
  void finish() override {
    std::string out;
    stream_.finish(out);
    if (fused_ && !out.empty()) next->token(out);
    next->finish();
  }
  std::string alone(std::string_view token) const override {
    StreamReplace fresh(from_, to_);
    std::string out;
    fresh.push(token, out);
    fresh.finish(out);
    return out;
  }

 private:
  std::string from_, to_;
  bool fused_;
  StreamReplace stream_;
};

// Runs of <0xNN> become their bytes. Quirk: if the run as a whole is not UTF-8, every byte of it
// becomes U+FFFD, also those of complete characters; so a run is held until it ends.
class ByteFallbackStage : public DecoderStage {
 public:
  void token(std::string_view token) override {
    const int byte = SentencePieceModel::byte_of(token);
    if (byte >= 0) {
      bytes_.push_back(static_cast<char>(byte));
      return;
    }
    flush();
    next->token(token);
  }
  void finish() override {
    flush();
    next->finish();
  }
  std::string alone(std::string_view token) const override {
    const int byte = SentencePieceModel::byte_of(token);
    return byte >= 0 ? std::string(1, static_cast<char>(byte)) : std::string(token);
  }

 private:
  void flush() {
    if (bytes_.empty()) return;
    if (is_valid_utf8(bytes_)) {
      next->token(bytes_);
    } else {
      for (size_t i = 0; i < bytes_.size(); ++i) next->token(kReplacementCharacter);
    }
    bytes_.clear();
  }
  std::string bytes_;
};

// Removes up to `start` and `stop` characters `content` from the ends: of each token, or of all
// text once the tokens have been fused.
class StripStage : public DecoderStage {
 public:
  StripStage(std::string content, size_t start, size_t stop, bool fused)
      : content_(std::move(content)), start_(start), stop_(stop), fused_(fused), left_(start) {}
  void token(std::string_view token) override {
    if (!fused_) left_ = start_;
    while (left_ > 0 && !token.empty()) {
      if (!token.starts_with(content_)) {
        left_ = 0;
      } else {
        token.remove_prefix(content_.size());
        --left_;
      }
    }
    held_.append(token);
    size_t end = held_.size();
    size_t stripped = 0;
    while (stripped < stop_ && std::string_view(held_).substr(0, end).ends_with(content_)) {
      end -= content_.size();
      ++stripped;
    }
    next->token(std::string_view(held_).substr(0, end));
    held_.erase(0, end);
    if (!fused_) held_.clear();
  }
  // Fused, only the ends of a text lose anything.
  std::string alone(std::string_view token) const override {
    for (size_t i = 0; !fused_ && i < start_ && token.starts_with(content_); ++i)
      token.remove_prefix(content_.size());
    for (size_t i = 0; !fused_ && i < stop_ && token.ends_with(content_); ++i)
      token.remove_suffix(content_.size());
    return std::string(token);
  }

 private:
  std::string content_, held_;
  size_t start_, stop_;
  bool fused_;
  size_t left_;
};

class ByteLevelStage : public DecoderStage {
 public:
  void token(std::string_view token) override {
    std::string out;
    stream_.push(byte_level_decode(token), out);
    next->token(out);
  }
  void finish() override {
    std::string out;
    stream_.finish(out);
    if (!out.empty()) next->token(out);
    next->finish();
  }
  std::string alone(std::string_view token) const override { return byte_level_decode(token); }

 private:
  Utf8Stream stream_;
};

class MetaspaceStage : public DecoderStage {
 public:
  MetaspaceStage(std::string replacement, bool strips_first)
      : replacement_(std::move(replacement)), strips_first_(strips_first) {}
  void token(std::string_view token) override {
    std::string out;
    for (size_t i = 0; i < token.size();) {
      if (!token.substr(i).starts_with(replacement_)) {
        out.push_back(token[i++]);
        continue;
      }
      if (!first_ || !strips_first_) out.push_back(' ');
      i += replacement_.size();
    }
    first_ = false;
    next->token(out);
  }
  std::string alone(std::string_view token) const override {
    return ReplaceStage(replacement_, " ", false).alone(token);
  }

 private:
  std::string replacement_;
  bool strips_first_, first_ = true;
};

class JoinStage : public DecoderStage {
 public:
  void token(std::string_view token) override {
    if (!std::exchange(first_, false)) next->token(" ");
    next->token(token);
  }
  std::string alone(std::string_view token) const override { return fmt::format(" {}", token); }

 private:
  bool first_ = true;
};

class Sink : public DecoderStage {
 public:
  void token(std::string_view token) override { out->append(token); }
  void finish() override {}
  std::string* out = nullptr;
};

class ChainDecoder : public IncrementalDecoder {
 public:
  ChainDecoder(const TokenTable& table, bool skip_special_tokens,
               std::vector<std::unique_ptr<DecoderStage>> stages)
      : table_(table), skip_special_tokens_(skip_special_tokens), stages_(std::move(stages)) {
    for (size_t i = 0; i < stages_.size(); ++i)
      stages_[i]->next = i + 1 < stages_.size() ? stages_[i + 1].get() : &sink_;
  }

  void push(TokenId id, std::string& out) override {
    const std::string& piece = table_.piece(id);
    if (piece.empty()) return;
    const AddedToken* added = table_.added(id);
    if (skip_special_tokens_ && added != nullptr && added->special) return;
    sink_.out = &out;
    first().token(piece);
  }

  void finish(std::string& out) override {
    sink_.out = &out;
    first().finish();
  }

 private:
  DecoderStage& first() { return stages_.empty() ? sink_ : *stages_.front(); }

  const TokenTable& table_;
  bool skip_special_tokens_;
  std::vector<std::unique_ptr<DecoderStage>> stages_;
  Sink sink_;
};

class CleanUpDecoder : public IncrementalDecoder {
 public:
  explicit CleanUpDecoder(std::unique_ptr<IncrementalDecoder> decoder)
      : decoder_(std::move(decoder)) {
    // PreTrainedTokenizerBase.clean_up_tokenization, in its order.
    for (const auto& [from, to] : {std::pair{" .", "."},
                                   {" ?", "?"},
                                   {" !", "!"},
                                   {" ,", ","},
                                   {" ' ", "'"},
                                   {" n't", "n't"},
                                   {" 'm", "'m"},
                                   {" 's", "'s"},
                                   {" 've", "'ve"},
                                   {" 're", "'re"}})
      steps_.emplace_back(from, to);
  }

  void push(TokenId id, std::string& out) override {
    std::string text;
    decoder_->push(id, text);
    for (StreamReplace& step : steps_) {
      std::string replaced;
      step.push(text, replaced);
      text = std::move(replaced);
    }
    out.append(text);
  }

  void finish(std::string& out) override {
    std::string text;
    decoder_->finish(text);
    for (StreamReplace& step : steps_) {
      std::string replaced;
      step.push(text, replaced);
      step.finish(replaced);
      text = std::move(replaced);
    }
    out.append(text);
  }

 private:
  std::unique_ptr<IncrementalDecoder> decoder_;
  std::vector<StreamReplace> steps_;
};

}  // namespace

struct DecoderRecipe::Steps {
  using Factory = std::function<std::unique_ptr<DecoderStage>()>;
  std::vector<Factory> factories;
  bool fused = false;  // from here on all text is one token

  template <typename Stage, typename... Args>
  void add(Args... args) {
    factories.push_back([args...] { return std::make_unique<Stage>(args...); });
  }

  void parse(const JsonView& json) {
    const std::string type = json.string("type");
    if (type == "Sequence") {
      for (const JsonView& item : json.at("decoders").elements()) parse(item);
    } else if (type == "Replace") {
      const auto pattern = json.at("pattern").find("String");
      if (!pattern)
        throw UnsupportedError(fmt::format(
            "{}: decoder Replace with a regular expression is not supported", json.where()));
      json.require(!pattern->as_string().empty(), "pattern", "is empty");
      add<ReplaceStage>(pattern->as_string(), json.string("content"), fused);
    } else if (type == "ByteFallback") {
      add<ByteFallbackStage>();
    } else if (type == "Fuse") {
      fused = true;
    } else if (type == "Strip") {
      const std::string content = json.string("content");
      const int64_t start = json.integer("start"), stop = json.integer("stop");
      json.require(!content.empty(), "content", "is empty");
      json.require(start >= 0 && stop >= 0, "start", "and stop must not be negative");
      add<StripStage>(content, static_cast<size_t>(start), static_cast<size_t>(stop), fused);
    } else if (type == "ByteLevel") {
      add<ByteLevelStage>();
      fused = true;
    } else if (type == "Metaspace") {
      const std::string replacement = json.string("replacement", kWordBoundary);
      json.require(!replacement.empty(), "replacement", "is empty");
      const std::string scheme = json.string(
          "prepend_scheme", json.boolean("add_prefix_space", true) ? "always" : "never");
      add<MetaspaceStage>(replacement, scheme != "never");
    } else {
      throw UnsupportedError(fmt::format("{}: decoder {} is not supported", json.where(), type));
    }
  }
};

DecoderRecipe::DecoderRecipe() {
  auto steps = std::make_shared<Steps>();
  steps->add<JoinStage>();
  steps_ = std::move(steps);
}
DecoderRecipe::~DecoderRecipe() = default;
DecoderRecipe::DecoderRecipe(const DecoderRecipe&) = default;
DecoderRecipe& DecoderRecipe::operator=(const DecoderRecipe&) = default;

DecoderRecipe DecoderRecipe::parse(const JsonView& json) {
  auto steps = std::make_shared<Steps>();
  steps->parse(json);
  DecoderRecipe recipe;
  recipe.steps_ = std::move(steps);
  return recipe;
}

DecoderRecipe DecoderRecipe::sentencepiece() {
  auto steps = std::make_shared<Steps>();
  steps->add<ReplaceStage>(std::string(kWordBoundary), std::string(" "), false);
  steps->add<ByteFallbackStage>();
  steps->add<StripStage>(std::string(" "), size_t{1}, size_t{0}, true);
  DecoderRecipe recipe;
  recipe.steps_ = std::move(steps);
  return recipe;
}

std::unique_ptr<IncrementalDecoder> DecoderRecipe::start(const TokenTable& table,
                                                         bool skip_special_tokens) const {
  std::vector<std::unique_ptr<DecoderStage>> stages;
  for (const auto& factory : steps_->factories) stages.push_back(factory());
  return std::make_unique<ChainDecoder>(table, skip_special_tokens, std::move(stages));
}

std::string DecoderRecipe::bytes_of(std::string_view piece) const {
  std::string bytes(piece);
  for (const auto& factory : steps_->factories) bytes = factory()->alone(bytes);
  return bytes;
}

std::unique_ptr<IncrementalDecoder> with_clean_up(std::unique_ptr<IncrementalDecoder> decoder,
                                                  bool enabled) {
  if (!enabled) return decoder;
  return std::make_unique<CleanUpDecoder>(std::move(decoder));
}

}  // namespace isthmus::text
