#include "aligners/gated_cross_attention.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <unordered_map>

#include "base/check.h"
#include "nn/ops.h"
#include "nn/self_attention.h"

namespace isthmus::aligners {
namespace {

using nn::MediaKeyValue;
using nn::MediaMemory;

std::string probe_prefix(int64_t layer) {
  return "aligner.cross_attention." + std::to_string(layer) + ".";
}

// x + tanh(gate) y
Tensor gated_sum(const Tensor& x, const Tensor& y, const Tensor& gate) {
  if (nn::ops::fused_enabled()) return torch::add(x, y, std::tanh(gate.item<float>()));
  return x + torch::tanh(gate) * y;
}

}  // namespace

// One call: the media of a batch, and the attention of its rows to them.
class MaskedCrossAttentionImpl::Reader {
 public:
  // `view` has an entry for each batch row, or where `lanes` are packed into one row for each lane.
  Reader(MaskedCrossAttentionImpl& owner, const nn::MediaView& view,
         std::span<const nn::Lane> lanes, int64_t batch, int64_t seq);

  bool reads_nothing() const;
  // query [batch, seq, heads, dim_head] -> same
  Tensor attend(const Tensor& query) const;
  Tensor weights(const Tensor& query) const;  // [batch, heads, seq, media · latents]

 private:
  bool is_one_call() const;
  bool is_one_medium_each() const;
  Tensor attend_at_once(const Tensor& query) const;
  Tensor attend_side_by_side(const Tensor& query) const;
  Tensor attend_run(const Tensor& query, size_t row, const MediaRun& run) const;
  const MediaKeyValue& key_value(size_t row, int64_t medium) const;
  MediaKeyValue joined(size_t row, int64_t begin, int64_t end) const;
  void pack(const nn::MediaView& view, std::span<const nn::Lane> lanes);
  void project_missing();

  MaskedCrossAttentionImpl& owner_;
  double scale_;
  std::vector<std::vector<std::shared_ptr<const MediaMemory>>> packed_media_;  // of lanes: all
  const std::vector<std::vector<std::shared_ptr<const MediaMemory>>>& media_;  // per batch row
  std::vector<std::vector<MediaRun>> runs_;                                    // per batch row
  // Of the media that bring no keys and values: those of all, [media, heads, latents, dim_head],
  // and of each alone, with its place among them.
  struct Projected {
    MediaKeyValue own;
    int64_t place;
  };
  MediaKeyValue all_projected_;
  std::unordered_map<const MediaMemory*, Projected> projected_;
};

MaskedCrossAttentionImpl::Reader::Reader(MaskedCrossAttentionImpl& owner, const nn::MediaView& view,
                                         std::span<const nn::Lane> lanes, int64_t batch,
                                         int64_t seq)
    : owner_(owner),
      scale_(1.0 / std::sqrt(static_cast<double>(owner.config_.dim_head))),
      media_(lanes.empty() ? view.media : packed_media_) {
  if (!lanes.empty()) {
    pack(view, lanes);
    if (!reads_nothing()) project_missing();
    return;
  }
  const auto rows = static_cast<size_t>(batch);
  ISTHMUS_CHECK(view.media.size() == rows && view.index.size() == rows,
                "a media view has one entry per batch row");
  for (size_t row = 0; row < rows; ++row) {
    ISTHMUS_CHECK(static_cast<int64_t>(view.index[row].size()) == seq,
                  "a media view has one index per position");
    runs_.push_back(media_runs(view.index[row], static_cast<int64_t>(view.media[row].size()),
                               owner.config_.only_attend_immediate_media));
  }
  if (!reads_nothing()) project_missing();
}

// The runs of all lanes become those of one row, whose media are those of all.
void MaskedCrossAttentionImpl::Reader::pack(const nn::MediaView& view,
                                            std::span<const nn::Lane> lanes) {
  ISTHMUS_CHECK(view.media.size() == lanes.size() && view.index.size() == lanes.size(),
                "a media view has one entry per lane");
  packed_media_.emplace_back();
  runs_.emplace_back();
  int64_t first = 0;
  for (size_t lane = 0; lane < lanes.size(); ++lane) {
    ISTHMUS_CHECK(static_cast<int64_t>(view.index[lane].size()) == lanes[lane].rows,
                  "a media view has one index per position");
    const auto before = static_cast<int64_t>(packed_media_[0].size());
    for (MediaRun run : media_runs(view.index[lane], static_cast<int64_t>(view.media[lane].size()),
                                   owner_.config_.only_attend_immediate_media)) {
      run.first += first;
      run.begin += before;
      run.end += before;
      runs_[0].push_back(run);
    }
    packed_media_[0].insert(packed_media_[0].end(), view.media[lane].begin(),
                            view.media[lane].end());
    first += lanes[lane].rows;
  }
}

bool MaskedCrossAttentionImpl::Reader::reads_nothing() const {
  for (const auto& runs : runs_)
    for (const MediaRun& run : runs)
      if (run.begin != run.end) return false;
  return true;
}

// While training no medium has keys and values yet: one product makes those of the whole batch.
void MaskedCrossAttentionImpl::Reader::project_missing() {
  std::vector<const MediaMemory*> missing;
  std::vector<Tensor> latents;
  const auto layer = static_cast<size_t>(owner_.layer_);
  for (const auto& media : media_)
    for (const auto& memory : media) {
      const bool remembered = layer < memory->layers.size() && memory->layers[layer].key.defined();
      const Projected next{{}, static_cast<int64_t>(missing.size())};
      if (remembered || !projected_.emplace(memory.get(), next).second) continue;
      missing.push_back(memory.get());
      latents.push_back(memory->latents);
    }
  if (missing.empty()) return;
  all_projected_ = owner_.project(torch::stack(latents));
  const auto keys = all_projected_.key.unbind(0), values = all_projected_.value.unbind(0);
  for (size_t i = 0; i < missing.size(); ++i) projected_[missing[i]].own = {keys[i], values[i]};
}

const MediaKeyValue& MaskedCrossAttentionImpl::Reader::key_value(size_t row, int64_t medium) const {
  const MediaMemory* memory = media_[row][static_cast<size_t>(medium)].get();
  const auto found = projected_.find(memory);
  return found != projected_.end() ? found->second.own
                                   : memory->layers[static_cast<size_t>(owner_.layer_)];
}

// Keys and values of media [begin, end) of a row, [heads, latents of all, dim_head].
MediaKeyValue MaskedCrossAttentionImpl::Reader::joined(size_t row, int64_t begin,
                                                       int64_t end) const {
  if (end - begin == 1) return key_value(row, begin);
  std::vector<Tensor> keys, values;
  for (int64_t medium = begin; medium < end; ++medium) {
    keys.push_back(key_value(row, medium).key);
    values.push_back(key_value(row, medium).value);
  }
  return {torch::cat(keys, 1), torch::cat(values, 1)};
}

// Every row reads the same number of media throughout, as while decoding.
bool MaskedCrossAttentionImpl::Reader::is_one_call() const {
  return std::ranges::all_of(runs_, [&](const std::vector<MediaRun>& runs) {
    return runs.size() == 1 && !runs[0].uniform && runs[0].begin < runs[0].end &&
           runs[0].end - runs[0].begin == runs_[0][0].end - runs_[0][0].begin;
  });
}

Tensor MaskedCrossAttentionImpl::Reader::attend_at_once(const Tensor& query) const {
  std::vector<Tensor> keys, values;
  bool shared = true;  // beams of one sequence read the same media: nothing is copied
  for (size_t row = 0; row < runs_.size(); ++row) {
    const MediaKeyValue read = joined(row, runs_[row][0].begin, runs_[row][0].end);
    keys.push_back(read.key);
    values.push_back(read.value);
    shared = shared && read.key.is_same(keys[0]);
  }
  const auto rows = [&](const std::vector<Tensor>& tensors) {
    return shared ? tensors[0].unsqueeze(0).expand({query.size(0), -1, -1, -1})
                  : torch::stack(tensors);
  };
  return nn::ops::attention(query, rows(keys), rows(values), scale_, {});
}

// Every run reads one medium or none, and none of the media brings its keys and values: as while
// training.
bool MaskedCrossAttentionImpl::Reader::is_one_medium_each() const {
  for (size_t row = 0; row < runs_.size(); ++row)
    for (const MediaRun& run : runs_[row]) {
      if (run.begin == run.end) continue;
      if (run.uniform || run.end - run.begin != 1 ||
          !projected_.contains(media_[row][static_cast<size_t>(run.begin)].get()))
        return false;
    }
  return true;
}

// The runs of all rows become the rows of one attention, filled up to the longest: few operations
// and few gradients, however many media there are.
Tensor MaskedCrossAttentionImpl::Reader::attend_side_by_side(const Tensor& query) const {
  const int64_t batch = query.size(0), seq = query.size(1);
  int64_t longest = 0;
  for (const auto& runs : runs_)
    for (const MediaRun& run : runs)
      if (run.begin != run.end) longest = std::max(longest, run.count);

  std::vector<int64_t> positions;  // of `longest` queries per run
  std::vector<int64_t> media;      // of each run
  // Of each position: where its answer stands behind a row of zeros, which is 0.
  std::vector<int64_t> answers(static_cast<size_t>(batch * seq), 0);
  for (size_t row = 0; row < runs_.size(); ++row)
    for (const MediaRun& run : runs_[row]) {
      if (run.begin == run.end) continue;
      const int64_t first = static_cast<int64_t>(row) * seq + run.first;
      for (int64_t i = 0; i < longest; ++i) {
        if (i < run.count)
          answers[static_cast<size_t>(first + i)] = 1 + static_cast<int64_t>(positions.size());
        positions.push_back(first + std::min(i, run.count - 1));
      }
      const auto& memory = media_[row][static_cast<size_t>(run.begin)];
      media.push_back(projected_.at(memory.get()).place);
    }

  // An embedding picks rows as index_select does, and its gradient is not added up row by row.
  const auto pick = [](const Tensor& rows, const std::vector<int64_t>& which) {
    return torch::embedding(rows.flatten(1), torch::tensor(which, torch::kInt64));
  };
  const auto runs = static_cast<int64_t>(media.size());
  const auto read_by_runs = [&](const Tensor& all) {
    const Tensor picked = pick(all, media);
    return picked.view({runs, all.size(1), all.size(2), all.size(3)});
  };
  const Tensor own = pick(query.flatten(0, 1), positions).view({runs, longest, query.size(2), -1});
  const Tensor read = nn::ops::attention(own, read_by_runs(all_projected_.key),
                                         read_by_runs(all_projected_.value), scale_, {});
  const Tensor rows = read.reshape({runs * longest, -1});
  return pick(torch::cat({torch::zeros_like(rows.narrow(0, 0, 1)), rows}), answers).view_as(query);
}

// query [1, run.count, heads, dim_head] -> same
Tensor MaskedCrossAttentionImpl::Reader::attend_run(const Tensor& query, size_t row,
                                                    const MediaRun& run) const {
  if (run.begin == run.end) return torch::zeros_like(query);
  const MediaKeyValue read = joined(row, run.begin, run.end);
  if (run.uniform) return read.value.mean(1).expand(query.sizes());
  return nn::ops::attention(query, read.key.unsqueeze(0), read.value.unsqueeze(0), scale_, {});
}

Tensor MaskedCrossAttentionImpl::Reader::attend(const Tensor& query) const {
  if (is_one_medium_each()) return attend_side_by_side(query);
  if (is_one_call()) return attend_at_once(query);
  std::vector<Tensor> rows;
  for (size_t row = 0; row < runs_.size(); ++row) {
    const Tensor own = query.narrow(0, static_cast<int64_t>(row), 1);
    std::vector<Tensor> pieces;
    for (const MediaRun& run : runs_[row])
      pieces.push_back(attend_run(own.narrow(1, run.first, run.count), row, run));
    rows.push_back(pieces.size() == 1 ? pieces[0] : torch::cat(pieces, 1));
  }
  return rows.size() == 1 ? rows[0] : torch::cat(rows, 0);
}

Tensor MaskedCrossAttentionImpl::Reader::weights(const Tensor& query) const {
  size_t most = 0;
  for (const auto& media : media_) most = std::max(most, media.size());
  int64_t latents = 0;
  for (const auto& media : media_)
    for (const auto& memory : media) latents = std::max(latents, memory->latents.size(0));
  Tensor out = torch::zeros(
      {query.size(0), query.size(2), query.size(1), static_cast<int64_t>(most) * latents},
      query.options());
  for (size_t row = 0; row < runs_.size(); ++row)
    for (const MediaRun& run : runs_[row]) {
      if (run.begin == run.end) continue;
      const auto batch = static_cast<int64_t>(row);
      const int64_t keys = (run.end - run.begin) * latents;
      Tensor place = out.narrow(0, batch, 1)
                         .narrow(2, run.first, run.count)
                         .narrow(3, run.begin * latents, keys);
      if (run.uniform) {
        place.fill_(1.0 / static_cast<double>(keys));
      } else {
        const Tensor own = query.narrow(0, batch, 1).narrow(1, run.first, run.count);
        const Tensor key = joined(row, run.begin, run.end).key.unsqueeze(0);
        place.copy_(nn::attention_weights(own, key, scale_, {}));
      }
    }
  return out;
}

MaskedCrossAttentionImpl::MaskedCrossAttentionImpl(const layout::CrossAttentionConfig& config,
                                                   int64_t layer)
    : config_(config),
      layer_(layer),
      probe_name_(probe_prefix(layer) + "weights"),
      norm_(register_module("norm", nn::LayerNorm(config.lang_dim, kLayerNormEps))),
      to_q_(register_module("to_q", nn::Linear(config.lang_dim, config.inner_dim(), false))),
      to_kv_(register_module("to_kv", nn::Linear(config.vis_dim, 2 * config.inner_dim(), false))),
      to_out_(register_module("to_out", nn::Linear(config.inner_dim(), config.lang_dim, false))) {}

MediaKeyValue MaskedCrossAttentionImpl::project(const Tensor& latents) {
  const Tensor kv = to_kv_(latents).unflatten(-1, {2, config_.heads, config_.dim_head});
  return {kv.select(-3, 0).transpose(-3, -2), kv.select(-3, 1).transpose(-3, -2)};
}

Tensor MaskedCrossAttentionImpl::forward(const Tensor& text, const nn::ForwardContext& context) {
  if (context.media == nullptr) return {};
  const Reader reader(*this, *context.media, context.lanes, text.size(0), text.size(1));
  if (reader.reads_nothing()) return {};
  const Tensor query = to_q_(norm_(text)).unflatten(-1, {config_.heads, config_.dim_head});
  if (context.probe != nullptr && context.probe->wants(probe_name_))
    context.probe->see(probe_name_, reader.weights(query.detach()));
  return to_out_(reader.attend(query).flatten(-2));
}

GatedCrossAttentionBlockImpl::GatedCrossAttentionBlockImpl(
    const layout::CrossAttentionConfig& config, int64_t layer)
    : probe_prefix_(probe_prefix(layer)),
      attn_(register_module("attn", MaskedCrossAttention(config, layer))),
      ff_(register_module("ff", FeedForward(config.lang_dim, config.intermediate_size))) {}

Tensor GatedCrossAttentionBlockImpl::forward(const Tensor& hidden,
                                             const nn::ForwardContext& context) {
  const auto show = [&](const char* stage, const Tensor& value) {
    if (context.probe == nullptr) return;
    const std::string name = probe_prefix_ + stage;
    if (context.probe->wants(name))
      context.probe->see(name, value.defined() ? value : torch::zeros_like(hidden));
  };
  show("input", hidden);
  const Tensor attended = attn_(hidden, context);
  show("attention", attended);
  const Tensor x = attended.defined() ? gated_sum(hidden, attended, attn_gate_) : hidden;
  const Tensor fed = ff_(x);
  show("feed_forward", fed);
  const Tensor out = gated_sum(x, fed, ff_gate_);
  show("output", out);
  return out;
}

std::vector<nn::Slot> GatedCrossAttentionBlockImpl::slots() {
  return {tensor_slot("attn_gate", attn_gate_, {1}), tensor_slot("ff_gate", ff_gate_, {1})};
}

}  // namespace isthmus::aligners
