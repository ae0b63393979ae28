#include "text/sentencepiece_encoder.h"

#include "text/sentencepiece_bpe.h"
#include "text/sentencepiece_unigram.h"

namespace isthmus::text {

SentencePieceEncoder::SentencePieceEncoder(std::shared_ptr<const SentencePieceModel> model,
                                           bool add_dummy_prefix)
    : model_(std::move(model)), add_dummy_prefix_(add_dummy_prefix) {
  if (model_->model_type == SentencePieceModel::ModelType::kBpe)
    segmenter_ = std::make_unique<SentencePieceBpe>(model_);
  else
    segmenter_ = std::make_unique<SentencePieceUnigram>(model_);
  if (!model_->byte_fallback) return;
  byte_ids_.resize(256, model_->unk_id);
  for (size_t id = 0; id < model_->pieces.size(); ++id)
    if (model_->pieces[id].type == SentencePieceModel::PieceType::kByte)
      byte_ids_[static_cast<size_t>(SentencePieceModel::byte_of(model_->pieces[id].text))] =
          static_cast<int32_t>(id);
}

MarkedText SentencePieceEncoder::normalize(const MarkedText& marked) const {
  const std::string_view text = marked.text;
  const bool trim = model_->remove_extra_whitespaces;
  size_t begin = 0, end = text.size();
  if (trim) {
    while (begin < end && text[begin] == ' ') ++begin;
    while (begin < end && text[end - 1] == ' ') --end;
  }
  if (begin == end) return {};
  const std::string_view space = model_->escape_whitespaces ? kWordBoundary : " ";
  MarkedText out;
  if (add_dummy_prefix_) out.append(space, false);
  for (size_t i = begin; i < end; ++i) {
    const bool trusted = marked.trusted[i] != 0;
    if (text[i] != ' ')
      out.append(text.substr(i, 1), trusted);
    else if (!trim || text[i - 1] != ' ')  // trimmed text does not begin with a space
      out.append(space, trusted);
  }
  return out;
}

void SentencePieceEncoder::encode(const MarkedText& text, std::vector<int64_t>& ids) const {
  const MarkedText normalized = normalize(text);
  if (normalized.text.empty()) return;
  bool previous_unknown = false;
  for (const auto& segment : segmenter_->segment(normalized)) {
    const bool unknown = segment.id == model_->unk_id;
    if (unknown && !byte_ids_.empty()) {
      for (const char byte : segment.text)
        ids.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
    } else if (!unknown || !previous_unknown) {  // a run of unknown pieces is one <unk>
      ids.push_back(segment.id);
    }
    previous_unknown = unknown;
  }
}

}  // namespace isthmus::text
