#include "decoders/language_model.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/check.h"
#include "nn/recomputed.h"

namespace isthmus::decoders {
namespace {

void show(const nn::ForwardContext& context, std::string_view name, const Tensor& hidden) {
  if (context.probe != nullptr && context.probe->wants(name)) context.probe->see(name, hidden);
}

// Of rows that follow what is cached.
Tensor following_positions(const nn::ForwardContext& context, int64_t seq) {
  const auto positions = [](int64_t first, int64_t rows) {
    return torch::arange(first, first + rows, torch::kLong).unsqueeze(0);
  };
  if (context.lanes.empty())
    return positions(context.cache != nullptr ? context.cache->length() : 0, seq);
  std::vector<Tensor> all;
  for (const nn::Lane& lane : context.lanes)
    all.push_back(positions(lane.cache->length(), lane.rows));
  return torch::cat(all, 1);
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
  const bool packed = !call.lanes.empty();
  const int64_t wanted = packed ? nn::wanted_of(call.lanes) : seq - context.first_row;
  ISTHMUS_CHECK(
      !packed || (embeddings.size(0) == 1 && call.cache == nullptr && wanted > 0 &&
                  seq == nn::rows_of(call.lanes) && context.first_row == 0),
      "lanes stand side by side, each with its own cache, and one row at least is wanted");
  if (!call.positions.defined()) call.positions = following_positions(call, seq);
  ISTHMUS_CHECK(call.positions.dim() == 2 && call.positions.size(1) == seq, "one position per row");

  Tensor hidden = enter(embeddings, call);
  const bool recomputes = call.recomputes_blocks && torch::GradMode::is_enabled();
  const bool learns = recomputes && std::ranges::any_of(parameters(), [](const Tensor& parameter) {
                        return parameter.requires_grad();
                      });
  for (int64_t layer = 0; layer < layers; ++layer) {
    show(call, layer, hidden);
    if (call.hook != nullptr) hidden = call.hook->before_block(layer, hidden, call);
    if (layer + 1 == layers) {
      call.first_row = context.first_row;
      call.wanted_only = packed && wanted < seq;
    } else {
      call.first_row = 0;
    }
    // What the last block keeps would be made again at once.
    const bool again = recomputes && (learns || hidden.requires_grad()) && layer + 1 < layers;
    hidden =
        again ? nn::recomputed(
                    [this, layer, call](const Tensor& x) { return block(layer, x, call); }, hidden)
              : block(layer, hidden, call);
  }
  // Not every decoder's block leaves rows out.
  if (hidden.size(1) != wanted) hidden = nn::asking_rows(hidden, call);
  show(call, "decoder.last_block", hidden);
  hidden = leave(hidden);
  show(call, layers, hidden);
  if (call.cache != nullptr) call.cache->advance(seq);
  for (const nn::Lane& lane : call.lanes) lane.cache->advance(lane.rows);
  return hidden;
}

}  // namespace isthmus::decoders
