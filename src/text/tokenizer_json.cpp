#include "text/tokenizer_json.h"

#include <fmt/format.h>

#include "base/json_view.h"
#include "isthmus/error.h"
#include "text/bpe_model.h"
#include "text/sentencepiece_tokenizer.h"
#include "text/text_normalizers.h"
#include "text/token_decoders.h"

namespace isthmus::text {

namespace {

// The parts that copies with more added tokens share.
struct Pipeline {
  BpeModel model;
  std::shared_ptr<const Normalizer> normalizer;       // may be null
  std::shared_ptr<const PreTokenizer> pre_tokenizer;  // may be null
  DecoderRecipe decoder;
  std::vector<TokenId> prefix, suffix;  // of the post-processor
};

class FastTokenizer : public Tokenizer {
 public:
  FastTokenizer(std::shared_ptr<const Pipeline> pipeline, TokenTable table,
                TokenizerSettings settings)
      : Tokenizer(std::move(table), std::move(settings)), pipeline_(std::move(pipeline)) {
    prefix_ = pipeline_->prefix;
    suffix_ = pipeline_->suffix;
    for (const AddedToken& token : table_.added()) {
      if (!token.normalized) {
        exact_.add(token, token.content);
        continue;
      }
      MarkedText spelling;
      spelling.append(token.content, true);
      if (pipeline_->normalizer) pipeline_->normalizer->apply(spelling);
      normalized_.add(token, spelling.text);
    }
  }

  std::unique_ptr<IncrementalDecoder> decoder(bool skip_special_tokens) const override {
    return with_clean_up(pipeline_->decoder.start(table_, skip_special_tokens),
                         settings_.clean_up_tokenization_spaces);
  }

  std::shared_ptr<const Tokenizer> with_added_tokens(
      std::span<const std::string> tokens) const override {
    return std::make_shared<FastTokenizer>(pipeline_, add_to_table(tokens), settings_);
  }

 protected:
  void encode_text(MarkedText text, std::vector<TokenId>& ids) const override {
    for (const auto& part : exact_.split(text)) {
      if (part.id >= 0) {
        ids.push_back(part.id);
        continue;
      }
      MarkedText piece = text.part(part.begin, part.end);
      if (pipeline_->normalizer) pipeline_->normalizer->apply(piece);
      for (const auto& inner : normalized_.split(piece)) {
        if (inner.id >= 0)
          ids.push_back(inner.id);
        else
          encode_words(piece.text.substr(inner.begin, inner.end - inner.begin),
                       part.begin + inner.begin == 0, ids);
      }
    }
  }

  std::string bytes_of_piece(TokenId id) const override {
    return pipeline_->decoder.bytes_of(table_.piece(id));
  }

 private:
  void encode_words(std::string text, bool at_start, std::vector<TokenId>& ids) const {
    std::vector<PreTokenizer::Word> words{{std::move(text), at_start}};
    if (pipeline_->pre_tokenizer) words = pipeline_->pre_tokenizer->apply(std::move(words));
    for (const auto& word : words) pipeline_->model.encode(word.text, ids);
  }

  std::shared_ptr<const Pipeline> pipeline_;
  AddedTokenMatcher exact_, normalized_;  // looked for before and after normalisation
};

void parse_added_tokens(const JsonView& json, TokenTable& table) {
  const auto list = json.find("added_tokens");
  if (!list) return;
  for (const JsonView& item : list->elements()) {
    AddedToken token;
    token.content = item.string("content");
    token.id = item.integer("id");
    if (token.id < 0) item.fail("the id is negative");
    token.lstrip = item.boolean("lstrip", false);
    token.rstrip = item.boolean("rstrip", false);
    token.single_word = item.boolean("single_word", false);
    token.special = item.boolean("special", false);
    token.normalized = item.boolean("normalized", !token.special);
    table.add(std::move(token));
  }
}

// What a TemplateProcessing puts before and after one sequence.
void parse_template(const JsonView& json, const TokenTable& table, Pipeline& pipeline) {
  const JsonView tokens = json.at("special_tokens");
  bool after = false;
  for (const JsonView& item : json.at("single").elements()) {
    if (item.contains("Sequence")) {
      if (after) item.fail("the sequence stands twice in `single`");
      after = true;
      continue;
    }
    const std::string name = item.at("SpecialToken").string("id");
    for (const JsonView& id : tokens.at(name).at("ids").elements()) {
      if (id.as_integer() < 0 || id.as_integer() >= table.size())
        id.fail(fmt::format("{} is not an id of this tokenizer", id.as_integer()));
      (after ? pipeline.suffix : pipeline.prefix).push_back(id.as_integer());
    }
  }
}

void parse_post_processor(const JsonView& json, const TokenTable& table, Pipeline& pipeline,
                          int depth) {
  if (depth > 8) json.fail("nested too deeply");
  const std::string type = json.string("type");
  if (type == "Sequence") {
    for (const JsonView& item : json.at("processors").elements())
      parse_post_processor(item, table, pipeline, depth + 1);
  } else if (type == "TemplateProcessing") {
    parse_template(json, table, pipeline);
  } else if (type != "ByteLevel") {  // which only moves offsets
    throw UnsupportedError(
        fmt::format("{}: post_processor {} is not supported", json.where(), type));
  }
}

// LlamaTokenizerFast replaces the post-processor by its own settings.
void apply_llama_settings(const TokenizerSettings& settings, Pipeline& pipeline) {
  pipeline.prefix.clear();
  pipeline.suffix.clear();
  if (settings.bos_id && settings.add_bos_token.value_or(true))
    pipeline.prefix.push_back(*settings.bos_id);
  if (settings.eos_id && settings.add_eos_token.value_or(false))
    pipeline.suffix.push_back(*settings.eos_id);
}

// Text must not become a special token by merging either.
void forbid_special_tokens(const TokenTable& table, BpeModel& model) {
  for (const AddedToken& token : table.added())
    if (token.special) model.forbid(token.id);
}

}  // namespace

std::shared_ptr<const Tokenizer> load_tokenizer_json(const std::filesystem::path& file,
                                                     TokenizerSettings settings) {
  settings.file = file;
  const JsonView json = JsonView::load(file);
  return make_tokenizer(BpeModel::parse(json.at("model")), json, std::move(settings));
}

std::shared_ptr<const Tokenizer> make_tokenizer(BpeModel model, const JsonView& json,
                                                TokenizerSettings settings) {
  auto pipeline = std::make_shared<Pipeline>();
  pipeline->model = std::move(model);
  TokenTable table(pipeline->model.pieces(), settings.file.string());
  parse_added_tokens(json, table);
  settings.apply(table);
  if (const auto normalizer = json.find("normalizer"))
    pipeline->normalizer = Normalizer::parse(*normalizer);
  if (const auto pre = json.find("pre_tokenizer"))
    pipeline->pre_tokenizer = PreTokenizer::parse(*pre);
  if (const auto post = json.find("post_processor"))
    parse_post_processor(*post, table, *pipeline, 0);
  if (const auto decoder = json.find("decoder")) pipeline->decoder = DecoderRecipe::parse(*decoder);
  if (settings.is_llama()) apply_llama_settings(settings, *pipeline);
  forbid_special_tokens(table, pipeline->model);
  return std::make_shared<FastTokenizer>(std::move(pipeline), std::move(table),
                                         std::move(settings));
}

std::shared_ptr<const Tokenizer> load_sentencepiece_as_fast(const std::filesystem::path& file,
                                                            TokenizerSettings settings) {
  const SentencePieceModel model = SentencePieceModel::load(file);
  if (model.model_type != SentencePieceModel::ModelType::kBpe)
    return load_sentencepiece(file, std::move(settings));
  auto pipeline = std::make_shared<Pipeline>();
  pipeline->model = BpeModel::from_sentencepiece(model);
  TokenTable table = make_token_table(model, file.string(), settings);
  // Pieces such as <|im_start|> stay out of reach of merging, and are found as wholes in trusted
  // text.
  for (const auto& piece : model.pieces) {
    if (!SentencePieceModel::is_markup(piece)) continue;
    const TokenId id = *table.find(piece.text);
    pipeline->model.forbid(id);
    if (table.added(id) != nullptr) continue;
    AddedToken token;
    token.content = piece.text;
    table.add(std::move(token));
  }
  pipeline->normalizer = Normalizer::sentencepiece();
  pipeline->decoder = DecoderRecipe::sentencepiece();
  apply_llama_settings(settings, *pipeline);
  forbid_special_tokens(table, pipeline->model);
  return std::make_shared<FastTokenizer>(std::move(pipeline), std::move(table),
                                         std::move(settings));
}

}  // namespace isthmus::text
