#include "aligners/feed_forward.h"

#include "nn/ops.h"

namespace isthmus::aligners {

FeedForwardImpl::FeedForwardImpl(int64_t dim, int64_t intermediate_size)
    : norm_(register_module("0", nn::LayerNorm(dim, kLayerNormEps))),
      up_(register_module("1", nn::Linear(dim, intermediate_size, false))),
      down_(register_module("3", nn::Linear(intermediate_size, dim, false))) {}

Tensor FeedForwardImpl::forward(const Tensor& x) { return down_(nn::ops::gelu(up_(norm_(x)))); }

}  // namespace isthmus::aligners
