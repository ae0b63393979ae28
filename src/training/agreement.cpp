#include "training/agreement.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "training/held_out.h"

namespace isthmus::training {
namespace {

constexpr size_t kKeptFeatures = size_t{64} << 20;
constexpr double kHigh = .99;

// What one model makes of one data set.
struct Verdicts {
  std::string data;
  std::vector<Tensor> log_probabilities;  // of each answer, [tokens, vocabulary], own media
  std::vector<Answer> own, blank;
};

class Asking {
 public:
  Asking(families::Family& family, const recipe::HeldOut& choice)
      : held_out_(family, choice, kKeptFeatures) {}

  Verdicts ask(size_t entry) {
    Verdicts verdicts;
    verdicts.data = held_out_.name(entry);
    verdicts.own =
        held_out_.answers(entry, MediaChoice::kOwn, [&](const Tensor& logits, const Tensor&) {
          verdicts.log_probabilities.push_back(torch::log_softmax(logits.to(torch::kFloat), -1));
        });
    verdicts.blank = held_out_.answers(entry, MediaChoice::kBlank);
    return verdicts;
  }

 private:
  HeldOut held_out_;
};

int64_t exact_of(const std::vector<Answer>& answers) {
  return std::ranges::count_if(answers, [](const Answer& answer) { return answer.exact; });
}

double margin_of(const Verdicts& verdicts) {
  double sum = 0;
  for (size_t i = 0; i < verdicts.own.size(); ++i)
    sum += verdicts.own[i].log_likelihood - verdicts.blank[i].log_likelihood;
  return verdicts.own.empty() ? 0 : sum / static_cast<double>(verdicts.own.size());
}

Agreement compared(const Verdicts& reference, const Verdicts& model) {
  Agreement found;
  found.data = reference.data;
  found.answers = static_cast<int64_t>(reference.own.size());
  found.exact = exact_of(model.own);
  found.reference_exact = exact_of(reference.own);
  found.margin = margin_of(model);
  found.reference_margin = margin_of(reference);
  std::vector<double> divergences;
  for (size_t i = 0; i < reference.log_probabilities.size(); ++i) {
    const Tensor p = reference.log_probabilities[i].to(torch::kDouble),
                 q = model.log_probabilities[i].to(torch::kDouble);
    const Tensor kl = (p.exp() * (p - q)).sum(-1);
    for (int64_t t = 0; t < kl.size(0); ++t) divergences.push_back(kl[t].item<double>());
    found.same_choice += p.argmax(-1).eq(q.argmax(-1)).sum().item<int64_t>();
  }
  found.tokens = static_cast<int64_t>(divergences.size());
  if (divergences.empty()) return found;
  std::ranges::sort(divergences);
  found.mean_kl = std::accumulate(divergences.begin(), divergences.end(), 0.0) /
                  static_cast<double>(divergences.size());
  found.high_kl =
      divergences[static_cast<size_t>(kHigh * static_cast<double>(divergences.size() - 1))];
  found.largest_kl = divergences.back();
  return found;
}

}  // namespace

std::vector<Agreement> agreement_of(const LoadFamily& reference, const LoadFamily& model,
                                    const recipe::HeldOut& choice,
                                    const std::function<void(int64_t, int64_t)>& on_answers) {
  const size_t entries = choice.data.size();
  int64_t done = 0;
  const auto passed = [&] {
    if (on_answers) on_answers(++done, static_cast<int64_t>(2 * entries));
  };
  std::vector<Verdicts> wanted;
  int64_t vocabulary = 0;
  {
    const auto family = reference();
    vocabulary = family->language_model().vocab_size();
    Asking asking(*family, choice);
    for (size_t e = 0; e < entries; ++e, passed()) wanted.push_back(asking.ask(e));
  }
  const auto family = model();
  if (family->language_model().vocab_size() != vocabulary)
    throw UsageError(fmt::format("a vocabulary of {} tokens and one of {} cannot be compared",
                                 family->language_model().vocab_size(), vocabulary));
  Asking asking(*family, choice);
  std::vector<Agreement> found;
  for (size_t e = 0; e < entries; ++e, passed())
    found.push_back(compared(wanted[e], asking.ask(e)));
  return found;
}

}  // namespace isthmus::training
