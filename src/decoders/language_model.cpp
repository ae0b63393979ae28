#include "decoders/language_model.h"

#include <algorithm>
#include <string>

#include "base/check.h"
#include "nn/recomputed.h"

namespace isthmus::decoders {
namespace {

void show(const nn::ForwardContext& context, std::string_view name, const Tensor& hidden) {
  if (context.probe != nullptr && context.probe->wants(name)) context.probe->see(name, hidden);
}

void show(const nn::ForwardContext& context, int64_t layer, const Tensor& hidden) {
  if (context.probe != nullptr) show(context, "decoder.hidden." + std::to_string(layer), hidden);
}

}  // namespace

Tensor LanguageModel::forward(const Tensor& embeddings, const nn::ForwardContext& context) {
  ISTHMUS_CHECK(embeddings.dim() == 3 && embeddings.size(2) == hidden_size(),
                "embeddings must be [batch, seq, hidden_size]");
  const int64_t seq = embeddings.size(1), layers = cache_geometry().num_hidden_layers;
  ISTHMUS_CHECK(context.first_row >= 0 && context.first_row < seq, "a row of the call comes first");
  nn::ForwardContext call = context;
  if (!call.positions.defined()) {
    const int64_t first = call.cache != nullptr ? call.cache->length() : 0;
    call.positions = torch::arange(first, first + seq, torch::kLong).unsqueeze(0);
  }
  ISTHMUS_CHECK(call.positions.dim() == 2 && call.positions.size(1) == seq, "one position per row");

  Tensor hidden = enter(embeddings, call);
  const bool recomputes = call.recomputes_blocks && torch::GradMode::is_enabled();
  const bool learns = recomputes && std::ranges::any_of(parameters(), [](const Tensor& parameter) {
                        return parameter.requires_grad();
                      });
  for (int64_t layer = 0; layer < layers; ++layer) {
    show(call, layer, hidden);
    if (call.hook != nullptr) hidden = call.hook->before_block(layer, hidden, call);
    call.first_row = layer + 1 == layers ? context.first_row : 0;
    // What the last block keeps would be made again at once.
    const bool again = recomputes && (learns || hidden.requires_grad()) && layer + 1 < layers;
    hidden =
        again ? nn::recomputed(
                    [this, layer, call](const Tensor& x) { return block(layer, x, call); }, hidden)
              : block(layer, hidden, call);
  }
  // Not every decoder's block leaves rows out.
  if (context.first_row > 0 && hidden.size(1) == seq)
    hidden = hidden.narrow(1, context.first_row, seq - context.first_row);
  show(call, "decoder.last_block", hidden);
  hidden = leave(hidden);
  show(call, layers, hidden);
  if (call.cache != nullptr) call.cache->advance(seq);
  return hidden;
}

}  // namespace isthmus::decoders
