#include "engine/draft.h"

#include <algorithm>
#include <optional>
#include <string>
#include <typeinfo>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "families/sequence_builder.h"
#include "isthmus/error.h"
#include "nn/slots.h"

namespace isthmus::engine {
namespace {

void require_same_vocabulary(const text::Tokenizer& draft, const text::Tokenizer& checks) {
  const auto common = static_cast<text::TokenId>(std::min(draft.vocab_size(), checks.vocab_size()));
  for (text::TokenId id = 0; id < common; ++id)
    if (draft.piece(id) != checks.piece(id))
      throw UsageError(fmt::format(
          "--draft: token {} is \"{}\" in {} and \"{}\" in {}; a draft needs the vocabulary of the "
          "model it guesses for",
          id, draft.piece(id), draft.file().string(), checks.piece(id), checks.file().string()));
}

// Decoding is bound by the bytes of the weights.
double bytes_of(families::Family& family) {
  double bytes = 0;
  for (const nn::Slot& slot : nn::slots_of(family.language_model()))
    if (slot.is_matrix())
      if (const auto matrix = slot.matrix()) bytes += static_cast<double>(matrix->bytes());
  return bytes;
}

}  // namespace

// What the draft has read of one prompt and its answer.
class Draft::Answer : public GuessSource {
 public:
  Answer(Draft& draft, const Request& request, std::span<const families::Segment> segments)
      : draft_(draft), request_(request), segments_(segments) {}
  ~Answer() override {
    if (!rows_) return;
    const int64_t marker = draft_.family_->media_marker();
    for (const int64_t token : read_)
      draft_.conversation_.append(sequence_.key_after(token, marker));
  }

  double cost() const override { return draft_.cost_; }

  std::vector<int64_t> guess(std::span<const int64_t> answer, int64_t most) override {
    if (!begun_) begin();
    std::vector<int64_t> known;
    std::ranges::copy_if(answer, std::back_inserter(known),
                         [&](int64_t token) { return readable(token); });
    const int64_t room =
        draft_.family_->context_length() - sequence_.length() - std::ssize(known) + 1;
    if (!rows_ || known.empty() || room < 1) return {};
    // It has read its own guesses, right and wrong; the last token is always read anew.
    const auto behind = std::mismatch(read_.begin(), read_.end(), known.begin(), known.end() - 1);
    rows_->retract(read_.end() - behind.first);
    read_.erase(behind.first, read_.end());
    std::vector<int64_t> guesses, next(behind.second, known.end());
    while (true) {
      const Tensor logits = rows_->last_logits(rows_->step(next));
      read_.insert(read_.end(), next.begin(), next.end());
      guesses.push_back(logits.argmax().item<int64_t>());
      if (std::ssize(guesses) >= std::min(most, room)) return guesses;
      next = {guesses.back()};
    }
  }

 private:
  bool readable(int64_t token) const {
    return token < draft_.family_->language_model().vocab_size();
  }

  void begin() {
    begun_ = true;
    families::Family& family = *draft_.family_;
    std::vector<std::shared_ptr<const CachedMedia>> media;
    if (draft_.sees_media_) media = draft_.media_.load(media_sources(request_), nullptr);
    std::vector<families::AlignedMedia> aligned;
    for (const auto& medium : media) aligned.push_back({&medium->encoded, medium->id});
    std::vector<families::Segment> prompt;
    bool reads_anything = false;
    for (families::Segment segment : segments_) {
      if (auto* text = std::get_if<families::TextSegment>(&segment))
        std::erase_if(text->ids, [&](int64_t token) { return !readable(token); });
      else if (!draft_.sees_media_)
        continue;
      const auto* text = std::get_if<families::TextSegment>(&segment);
      reads_anything = reads_anything || text == nullptr || !text->ids.empty();
      prompt.push_back(std::move(segment));
    }
    if (!reads_anything) return;
    sequence_ = families::build_sequence(prompt, aligned, family.language_model());
    if (sequence_.length() >= family.context_length()) return;
    rows_.emplace(draft_.conversation_.rows(sequence_, family.late_marker(request_.generate),
                                            family.decode_overlap(request_.generate, prompt)));
    rows_->prefill();
  }

  Draft& draft_;
  const Request& request_;
  std::span<const families::Segment> segments_;
  bool begun_ = false;
  families::Sequence sequence_;
  std::optional<Rows> rows_;   // none where the prompt is too long for the draft
  std::vector<int64_t> read_;  // behind the prompt
};

Draft::Draft(std::shared_ptr<families::Family> family, families::Family& checks)
    : family_(std::move(family)),
      sees_media_(typeid(*family_) == typeid(checks) &&
                  nn::find_module(family_->modules(), "aligner") != nullptr),
      cost_(bytes_of(*family_) / bytes_of(checks)),
      media_(*family_),
      conversation_(*family_) {
  require_same_vocabulary(*family_->tokenizer(), *checks.tokenizer());
}

std::unique_ptr<GuessSource> Draft::source(const Request& request,
                                           std::span<const families::Segment> segments) {
  return std::make_unique<Answer>(*this, request, segments);
}

void Draft::forget() {
  media_.forget();
  conversation_.forget();
}

}  // namespace isthmus::engine
