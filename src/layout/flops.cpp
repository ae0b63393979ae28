#include "layout/flops.h"

namespace isthmus::layout {
namespace {

double product(int64_t rows, int64_t in, int64_t out) {
  return 2.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out);
}

double attention(int64_t queries, int64_t keys, int64_t width) {
  return 4.0 * static_cast<double>(queries) * static_cast<double>(keys) *
         static_cast<double>(width);
}

double feed_forward(int64_t rows, int64_t width, int64_t intermediate, int64_t matrices) {
  return static_cast<double>(matrices) * product(rows, width, intermediate);
}

}  // namespace

double encoder_flops(const ClipVisionConfig& config, int64_t layers) {
  const int64_t patches = config.num_patches(), rows = patches + 1, width = config.hidden_size;
  const double block = product(rows, width, 4 * width) + attention(rows, rows, width) +
                       feed_forward(rows, width, config.intermediate_size, 2);
  return product(patches, config.num_channels * config.patch_size * config.patch_size, width) +
         static_cast<double>(layers) * block;
}

double projector_flops(int64_t depth, int64_t features, int64_t mm_hidden_size,
                       int64_t hidden_size) {
  if (depth == 0) return 0;
  return product(features, mm_hidden_size, hidden_size) +
         static_cast<double>(depth - 1) * product(features, hidden_size, hidden_size);
}

double resampler_flops(const ResamplerConfig& config, int64_t features) {
  const int64_t latents = config.num_latents, keys = features + latents, inner = config.inner_dim();
  const double layer = product(latents, config.dim, inner) + product(keys, config.dim, 2 * inner) +
                       attention(latents, keys, inner) + product(latents, inner, config.dim) +
                       feed_forward(latents, config.dim, config.intermediate_size, 2);
  return static_cast<double>(config.depth) * layer;
}

double gated_blocks_flops(const FlamingoConfig& config, int64_t rows) {
  const CrossAttentionConfig& cross = config.cross_attention;
  const int64_t latents = config.resampler.num_latents, inner = cross.inner_dim();
  const double block = product(rows, cross.lang_dim, inner) +
                       product(latents, cross.vis_dim, 2 * inner) +
                       attention(rows, latents, inner) + product(rows, inner, cross.lang_dim) +
                       feed_forward(rows, cross.lang_dim, cross.intermediate_size, 2);
  return static_cast<double>(config.num_blocks) * block;
}

double projection_flops(const ProjectionConfig& config, const ModalityConfig& modality,
                        int64_t features) {
  const int64_t width = config.width, learned = modality.resample_tokens, all = learned + features;
  double expert = 0;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const int64_t queries = layer + 1 < config.layers ? all : learned;
    expert += product(queries, width, 2 * width) + product(all, width, 2 * width) +
              attention(queries, all, width) +
              feed_forward(queries, width, config.intermediate_size, 3);
  }
  const auto experts = static_cast<int64_t>(config.experts.size());
  const double router = product(learned, width, modality.router_hidden) +
                        product(learned, modality.router_hidden, experts);
  return product(features, width, width) + static_cast<double>(experts) * expert + router +
         product(learned, width, config.hidden_size);
}

double prefill_flops(const LanguageModelShape& shape, int64_t rows) {
  const int64_t width = shape.hidden_size;
  const int64_t kv_width = width / shape.num_attention_heads * shape.num_key_value_heads;
  // LLaMA's feed-forward has a gate beside the two maps of the others.
  const int64_t matrices = shape.family == "LLaMA" || shape.family == "Mistral" ? 3 : 2;
  const double pairs_per_query = static_cast<double>(rows + 1) / 2;
  const double block = product(rows, width, 2 * width) + product(rows, width, 2 * kv_width) +
                       attention(rows, 1, width) * pairs_per_query +
                       feed_forward(rows, width, shape.intermediate_size, matrices);
  return static_cast<double>(shape.num_hidden_layers) * block + product(1, width, shape.vocab_size);
}

}  // namespace isthmus::layout
