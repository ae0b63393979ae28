#include "serving/runner.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/log.h"
#include "engine/answering.h"
#include "nn/forward_context.h"

namespace isthmus::serving {
namespace {

// A pass that reads prompts, or waits for an encoder, against one in which all write. Above 3, some
// wait three times as long for a token as most do. Near 1, prompts are never read: with 2, half of
// the time is theirs while there are any. Rows of prompts cost no more in small pieces, for the
// weights are read for the answers anyway; but the longer the first answers write while others
// still read, the fewer write together, and the more often weights are read for the same tokens.
constexpr double kStretch = 2.2;
// So many rows of prompts at least, whatever else happens: nobody is never read.
constexpr int64_t kFewestPromptRows = 8;

int64_t pages_for(int64_t rows) {
  return (rows + nn::PagePool::kPositions - 1) / nn::PagePool::kPositions;
}

// One row at a time: the prompt is read, and what was chosen last is not.
bool writes(const Answer& answer) {
  return answer.reading.prompt_read() && answer.reading.unread() == 1;
}

}  // namespace

std::string abandoned(const Asked& asked, Clock::time_point now) {
  if (asked.mailbox->cancelled()) return "cancelled";
  return asked.question.deadline && now >= *asked.question.deadline ? "deadline" : "";
}

Runner::Runner(families::Family& family, const RunnerOptions& options)
    : options_(options),
      pool_(family.language_model().cache_geometry(), family.cache_storage(), options.pages),
      prefixes_(pool_) {}

bool Runner::has_room(const Asked& asked) const {
  if (answers_.empty()) return true;
  int64_t places = asked.question.answers;
  for (const auto& answer : answers_)
    places += !answer->asked().answers_begun ? answer->asked().question.answers : 1;
  int64_t pages = pages_for(asked.prompt->sequence.length()) + asked.question.answers;
  for (const auto& answer : answers_) {
    // What those before it are yet to read.
    Reading& reading = answer->reading;
    pages += std::max<int64_t>(0, pages_for(reading.length() + reading.unread()) -
                                      static_cast<int64_t>(reading.cache().pages().size()));
  }
  return places <= options_.max_running && pages <= pool_.free_pages() + pool_.idle_pages();
}

void Runner::admit(std::shared_ptr<Asked> asked) {
  Reading reading(asked->prompt, nn::PagedCache(pool_));
  const families::Family& family = *asked->variant->family;
  answers_.push_back(std::make_unique<Answer>(std::move(asked), family, 0, std::move(reading)));
}

void Runner::begin_reading(Answer& answer) {
  const int64_t known = answer.reading.begin_with(prefixes_);
  Asked& asked = answer.asked();
  if (asked.admitted) return;
  asked.admitted = true;
  asked.begun = Clock::now();
  asked.reused_tokens = known;
  const int64_t length = asked.prompt->sequence.length();
  counts_.prompt_tokens += length;
  counts_.prefix_queries += length;
  counts_.prefix_hits += known;
  asked.mailbox->post(Admitted{length, known});
}

// Pages for the answer at `place` up to `length` rows, taken from prefixes nobody uses, then from
// younger answers.
bool Runner::make_room(size_t place, int64_t length) {
  Reading& reading = answers_[place]->reading;
  const int64_t missing = pages_for(length) - static_cast<int64_t>(reading.cache().pages().size());
  for (size_t victim = answers_.size() - 1; !prefixes_.free_pages(missing); --victim) {
    while (victim > place && answers_[victim]->reading.cache().pages().empty()) --victim;
    if (victim <= place) return false;
    answers_[victim]->reading.forget();
    ++counts_.preemptions;
  }
  return reading.cache().reserve(length);
}

int64_t Runner::writing() const {
  return std::ranges::count_if(answers_, [](const auto& answer) { return writes(*answer); });
}

double Runner::patience() const {
  const auto all = static_cast<int64_t>(answers_.size()), write = writing();
  // In turn with prompts.
  if (write == 0) return times_.per_prompt_row() * static_cast<double>(options_.rows_per_pass);
  const double longer = kStretch * times_.writing(all) - times_.writing(write);
  return write == all ? longer : longer / 2;
}

// How many rows of prompts the next pass may hold.
int64_t Runner::prompt_rows() const {
  const int64_t write = writing(), most = options_.rows_per_pass - write;
  const int64_t fewest = std::min(kFewestPromptRows, options_.rows_per_pass);
  if (write == 0 || times_.per_prompt_row() == 0) return std::max(most, fewest);
  const auto all = static_cast<int64_t>(answers_.size());
  const double seconds = kStretch * times_.writing(all) - times_.writing(write) - other_seconds_;
  return std::max(std::min(static_cast<int64_t>(seconds / times_.per_prompt_row()), most), fewest);
}

std::vector<Runner::Share> Runner::divide() {
  int64_t left = prompt_rows();
  std::vector<Share> shares;
  for (size_t place = 0; place < answers_.size(); ++place) {
    Answer& answer = *answers_[place];
    const bool one = writes(answer);
    if (!one && left == 0) continue;
    if (answer.reading.length() == 0) begin_reading(answer);
    const int64_t unread = answer.reading.unread();
    const int64_t rows = one ? 1 : std::min(unread, left);
    if (!make_room(place, answer.reading.length() + rows)) continue;
    if (!one) left -= rows;
    shares.push_back({&answer, answer.reading.length(), rows, one, rows == unread});
  }
  return shares;
}

// -> [answers that ask, vocab_size]; undefined when none does
Tensor Runner::read(const std::vector<Share>& shares) {
  const auto begin = Clock::now();
  families::Family& family = *shares.front().answer->asked().variant->family;
  decoders::LanguageModel& model = family.language_model();
  std::vector<Tensor> embeddings;
  std::vector<nn::Lane> lanes;
  nn::MediaView media;
  nn::ForwardContext context;
  context.hook = family.block_hook();
  int64_t asking = 0;
  for (const Share& share : shares) {
    Reading& reading = share.answer->reading;
    embeddings.push_back(reading.embeddings(model, share.rows));
    lanes.push_back(
        {share.rows, share.asks ? 1 : 0, &reading.cache(), reading.prompt().sequence.length()});
    asking += lanes.back().wanted;
    if (context.hook == nullptr) continue;
    media.media.push_back(reading.prompt().sequence.media);
    media.index.push_back(reading.media_index(share.rows));
  }
  if (context.hook != nullptr) context.media = &media;
  if (asking == 0) lanes.back().wanted = 1;  // a pass always has something to give
  context.lanes = lanes;
  const Tensor hidden = model.forward(torch::cat(embeddings, 0).unsqueeze(0), context);
  const Tensor logits = asking > 0 ? model.logits(hidden.squeeze(0)).contiguous() : Tensor();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const int64_t writing = std::ranges::count(shares, true, &Share::writes);
  times_.note(writing, nn::rows_of(lanes) - writing, seconds);
  counts_.model_seconds += seconds;
  other_seconds_ = 0;
  return logits;
}

void Runner::pass() {
  if (answers_.empty()) return;
  std::vector<Share> shares;
  try {
    shares = divide();
    ISTHMUS_CHECK(!shares.empty(), "the oldest answer finds no room");
  } catch (const std::exception& error) {
    // Before anything is known of single answers.
    for (const auto& answer : answers_) fail(answer->asked(), error);
    settle();
    return;
  }
  // The same rows go through low-rank branches, or gated blocks, of one aligner only.
  std::map<int64_t, std::vector<Share>> shares_of_model;
  for (const Share& share : shares)
    shares_of_model[share.answer->asked().variant->model].push_back(share);
  for (const auto& [model, together] : shares_of_model) pass_together(together);
  settle();
}

void Runner::pass_together(const std::vector<Share>& shares) {
  Tensor logits;
  try {
    logits = read(shares);
  } catch (const std::exception& error) {
    if (shares.size() > 1)
      log::warn(
          fmt::format("a pass failed and is done again one by one error=\"{}\"", error.what()));
    for (const Share& share : shares) share.answer->reading.cache().truncate(share.first);
    for (const Share& share : shares) pass_alone(share);
    return;
  }
  finish(shares, logits);
}

// After a pass that failed, whose fault it was.
void Runner::pass_alone(const Share& share) {
  if (share.answer->asked().unfinished == 0) return;  // an answer beside it failed
  if (!share.answer->reading.cache().reserve(share.first + share.rows)) return;  // in the next pass
  Tensor logits;
  try {
    logits = read({share});
  } catch (const std::exception& error) {
    fail(share.answer->asked(), error);
    return;
  }
  finish({share}, logits);
}

// `logits`: of `read`. What is wrong with one answer fails its own question.
void Runner::finish(const std::vector<Share>& shares, const Tensor& logits) {
  int64_t row = 0;
  for (const Share& share : shares) {
    // Before the prompt's last rows are gone: others may begin as far as they stay.
    share.answer->reading.publish(prefixes_);
    if (share.asks) choose(*share.answer, logits[row++]);
  }
}

void Runner::choose(Answer& answer, const Tensor& logits) {
  Asked& asked = answer.asked();
  if (asked.unfinished == 0) return;  // an answer beside it failed, and the question with it
  answer.reading.finish_prompt();
  try {
    if (!asked.answers_begun) {
      asked.answers_begun = true;
      asked.read = Clock::now();
      for (int64_t index = 1; index < asked.question.answers; ++index) {
        prefixes_.free_pages(1);
        auto reading = answer.reading.fork();
        // Without a page for the copy it reads the prompt again, when there is room.
        if (!reading) reading.emplace(asked.prompt, nn::PagedCache(pool_));
        auto other = std::make_unique<Answer>(answer.shared(), *asked.variant->family, index,
                                              std::move(*reading));
        if (other->reading.prompt_read()) {
          other->extend(engine::as_span(logits));
          ++counts_.generation_tokens;
        }
        begun_.push_back(std::move(other));
      }
    }
    answer.extend(engine::as_span(logits));
    ++counts_.generation_tokens;
  } catch (const std::exception& error) {
    fail(asked, error);
  }
}

void Runner::settle() {
  for (auto& answer : begun_) {
    // Behind its brothers, so that answers stay in the order of their questions.
    auto place = std::ranges::find_if(
        answers_, [&](const auto& other) { return &other->asked() == &answer->asked(); });
    while (place != answers_.end() && &(*place)->asked() == &answer->asked()) ++place;
    answers_.insert(place, std::move(answer));
  }
  begun_.clear();
  std::erase_if(answers_, [&](const auto& answer) {
    const bool gone = answer->finished() || answer->asked().unfinished == 0;
    if (gone) answer->reading.publish(prefixes_);
    return gone;
  });
}

void Runner::end_abandoned() {
  const auto now = Clock::now();
  for (const auto& answer : answers_)
    if (const std::string reason = abandoned(answer->asked(), now); !reason.empty()) {
      Asked& asked = answer->asked();
      answer->end(reason);
      if (!asked.answers_begun)
        for (int64_t index = 1; index < asked.question.answers; ++index)
          end_unbegun(asked, index, reason);
    }
  settle();
}

void Runner::cancel() {
  for (const auto& answer : answers_) answer->asked().mailbox->cancel();
  end_abandoned();
}

int64_t Runner::questions() const {
  std::set<const Asked*> asked;
  for (const auto& answer : answers_) asked.insert(answer->shared().get());
  return static_cast<int64_t>(asked.size());
}

double Runner::page_usage() const {
  const auto idle = static_cast<double>(pool_.free_pages() + pool_.idle_pages());
  return 1.0 - idle / static_cast<double>(pool_.pages());
}

}  // namespace isthmus::serving
