#include "training/learner.h"

#include "families/sequence_builder.h"

namespace isthmus::training {

Learner::Learner(families::Family& family, std::vector<std::unique_ptr<Optimizer>> optimizers,
                 const LearnerOptions& options)
    : family_(family), optimizers_(std::move(optimizers)), options_(options) {
  for (const auto& optimizer : optimizers_) {
    const auto own = optimizer->trainables();
    trainables_.insert(trainables_.end(), own.begin(), own.end());
  }
}

TokenLoss Learner::loss(std::span<const families::Example> batch) {
  // All media of the batch go through encoder and aligner together.
  std::vector<modalities::Prepared> media;
  for (const families::Example& example : batch)
    media.insert(media.end(), example.media.begin(), example.media.end());
  const auto encoded = family_.encode(media, nullptr);

  std::vector<families::Sequence> rows;
  size_t next = 0;
  for (const families::Example& example : batch) {
    std::vector<families::AlignedMedia> aligned;
    for (size_t i = 0; i < example.media.size(); ++i, ++next)
      aligned.push_back({&encoded[next], static_cast<int64_t>(next)});
    rows.push_back(families::build_sequence(example.segments, aligned, family_.language_model()));
    if (example.max_rows > 0) rows.back().cut(example.max_rows);
  }
  const families::Batch padded = families::pad_batch(rows, families::Padding::kRight);
  nn::ForwardContext context;
  context.positions = padded.positions;
  context.key_ranges = padded.key_ranges;
  context.hook = family_.block_hook();
  context.media = context.hook != nullptr ? &padded.media : nullptr;
  decoders::LanguageModel& model = family_.language_model();
  return token_loss(model, model.forward(padded.embeddings, context), padded.labels);
}

MicroStep Learner::accumulate(std::span<const families::Example> batch, double scale) {
  const torch::AutoGradMode recording(true);
  const TokenLoss found = loss(batch);
  if (!found.mean.defined()) return {};
  (found.mean * scale).backward();
  return {found.mean.item<double>(), found.num_targets};
}

double Learner::finish_micro_step() {
  mask_gradients(trainables_);
  const double norm = gradient_norm(trainables_);
  if (options_.clips_every_micro_step && options_.clip_norm > 0)
    clip_gradients(trainables_, norm, options_.clip_norm);
  return norm;
}

double Learner::step(const std::vector<double>& rates) {
  mask_gradients(trainables_);
  const double norm = gradient_norm(trainables_);
  if (!options_.clips_every_micro_step && options_.clip_norm > 0)
    clip_gradients(trainables_, norm, options_.clip_norm);
  auto rate = rates.begin();
  for (const auto& optimizer : optimizers_) {
    const auto own = static_cast<std::ptrdiff_t>(optimizer->groups().size());
    optimizer->step(std::vector<double>(rate, rate + own));
    rate += own;
  }
  drop_gradients();
  return norm;
}

double Learner::step(double factor) {
  std::vector<double> rates;
  for (const auto& optimizer : optimizers_)
    for (const ParameterGroup& group : optimizer->groups()) rates.push_back(group.rate * factor);
  return step(rates);
}

void Learner::drop_gradients() {
  for (Trainable& trainable : trainables_) trainable.value.mutable_grad() = Tensor();
}

}  // namespace isthmus::training
