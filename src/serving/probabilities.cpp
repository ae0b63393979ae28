#include "serving/probabilities.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include <torch/types.h>

namespace isthmus::serving {
namespace {

double log_of_sum(std::span<const float> logits) {
  const auto length = static_cast<int64_t>(logits.size());
  return torch::from_blob(const_cast<float*>(logits.data()), length).logsumexp(0).item<double>();
}

}  // namespace

std::string bytes_of(const text::Tokenizer& tokenizer, int64_t id) {
  if (id < 0 || id >= static_cast<int64_t>(tokenizer.vocab_size())) return {};
  const auto token = static_cast<text::TokenId>(id);
  std::string bytes = tokenizer.bytes_of(token);
  return bytes.empty() ? tokenizer.piece(token) : bytes;
}

Token judge(const text::Tokenizer& tokenizer, std::span<const float> logits, int64_t chosen,
            int64_t top) {
  const double all = log_of_sum(logits);
  const auto alternative = [&](int64_t id) {
    return Alternative{id, bytes_of(tokenizer, id),
                       static_cast<double>(logits[static_cast<size_t>(id)]) - all};
  };
  Token token{alternative(chosen), {}};
  if (top == 0) return token;
  std::vector<int64_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto count = std::min(static_cast<size_t>(top), ids.size());
  std::ranges::partial_sort(ids, ids.begin() + static_cast<std::ptrdiff_t>(count),
                            [&](int64_t a, int64_t b) {
                              const float left = logits[static_cast<size_t>(a)];
                              const float right = logits[static_cast<size_t>(b)];
                              return left != right ? left > right : a < b;
                            });
  for (size_t i = 0; i < count; ++i) token.top.push_back(alternative(ids[i]));
  return token;
}

}  // namespace isthmus::serving
