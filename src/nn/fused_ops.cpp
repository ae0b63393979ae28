#include "nn/fused_ops.h"

#include <algorithm>
#include <cstdint>

#include "nn/parallel.h"

namespace isthmus::nn::fused {
namespace {

constexpr int64_t kElementsPerTask = 16 * 1024;  // worth waking a thread for

int64_t rows_per_task(int64_t dim) {
  return std::max<int64_t>(kElementsPerTask / std::max<int64_t>(dim, 1), 1);
}

// body(first, count) over `rows` rows of `dim` elements.
template <class Body>
void parallel_rows(int64_t rows, int64_t dim, const Body& body) {
  at::parallel_for(0, rows, rows_per_task(dim),
                   [&](int64_t first, int64_t last) { body(first, last - first); });
}

int64_t rows_of(const Tensor& x) { return x.size(-1) == 0 ? 0 : x.numel() / x.size(-1); }

// Sums over rows, one part for each piece of them: the pieces, and so the sums, are those of any
// number of threads.
class ParameterSums {
 public:
  ParameterSums(bool wanted, int64_t pieces, int64_t dim)
      : dim_(dim), parts_(wanted ? torch::zeros({pieces, dim}, torch::kFloat) : Tensor()) {}
  float* at(int64_t piece) const {
    return parts_.defined() ? parts_.data_ptr<float>() + piece * dim_ : nullptr;
  }
  Tensor total() const { return parts_.defined() ? parts_.sum(0) : Tensor(); }

 private:
  int64_t dim_;
  Tensor parts_;
};

}  // namespace

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  const Tensor dense = x.contiguous(), scale = weight.contiguous();
  Tensor y = torch::empty(dense.sizes(), dense.options());
  const int64_t dim = x.size(-1);
  const float *from = dense.data_ptr<float>(), *by = scale.data_ptr<float>();
  float* to = y.data_ptr<float>();
  parallel_rows(rows_of(x), dim, [&](int64_t first, int64_t count) {
    kernels::kernels().rms_norm(
        {from + first * dim, by, to + first * dim, count, dim, static_cast<float>(eps)});
  });
  return y;
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const Tensor dense = x.contiguous(), scale = weight.contiguous();
  const Tensor shift = bias.defined() ? bias.contiguous() : bias;
  Tensor y = torch::empty(dense.sizes(), dense.options());
  const int64_t dim = x.size(-1);
  const float *from = dense.data_ptr<float>(), *by = scale.data_ptr<float>(),
              *plus = shift.defined() ? shift.data_ptr<float>() : nullptr;
  float* to = y.data_ptr<float>();
  parallel_rows(rows_of(x), dim, [&](int64_t first, int64_t count) {
    kernels::kernels().layer_norm(
        {from + first * dim, by, plus, to + first * dim, count, dim, static_cast<float>(eps)});
  });
  return y;
}

Tensor silu_mul(const Tensor& gate, const Tensor& up) {
  const Tensor a = gate.contiguous(), b = up.contiguous();
  Tensor y = torch::empty(a.sizes(), a.options());
  const float *from = a.data_ptr<float>(), *by = b.data_ptr<float>();
  float* to = y.data_ptr<float>();
  parallel_rows(y.numel(), 1, [&](int64_t first, int64_t count) {
    kernels::kernels().silu_mul({from + first, by + first, to + first, count});
  });
  return y;
}

Tensor activation(const Tensor& x, void (*kernel)(const kernels::ActivationArgs&)) {
  const Tensor dense = x.contiguous();
  Tensor y = torch::empty(dense.sizes(), dense.options());
  const float* from = dense.data_ptr<float>();
  float* to = y.data_ptr<float>();
  parallel_rows(y.numel(), 1, [&](int64_t first, int64_t count) {
    kernel({from + first, to + first, count});
  });
  return y;
}

Tensor rotary(const Tensor& x, const Tensor& cos, const Tensor& sin, RotaryLayout layout,
              float direction) {
  const int64_t batch = x.size(0), seq = x.size(1), heads = x.size(2), head_dim = x.size(3),
                half = cos.size(2);
  const Tensor c = cos.contiguous(), s = direction < 0 ? sin.neg() : sin.contiguous();
  Tensor y = torch::empty({batch, seq, heads, head_dim}, x.options());
  const auto kernel = layout == RotaryLayout::kHalves ? kernels::kernels().rotary_halves
                                                      : kernels::kernels().rotary_pairs;
  const float *from = x.data_ptr<float>(), *cosines = c.data_ptr<float>(),
              *sines = s.data_ptr<float>();
  float* to = y.data_ptr<float>();
  const int64_t batch_stride = x.stride(0), row_stride = x.stride(1), head_stride = x.stride(2);
  parallel_rows(batch * seq, heads * head_dim, [&](int64_t first, int64_t count) {
    for (int64_t r = first; r < first + count; ++r) {
      const int64_t b = r / seq, t = r % seq, angles = ((cos.size(0) > 1 ? b : 0) * seq + t) * half;
      kernel({from + b * batch_stride + t * row_stride, head_stride, cosines + angles,
              sines + angles, to + r * heads * head_dim, heads, head_dim, 2 * half});
    }
  });
  return y;
}

NormGradient rms_norm_gradient(const Tensor& x, const Tensor& weight, const Tensor& dy, double eps,
                               bool of_weight) {
  const Tensor rows = x.contiguous(), scale = weight.contiguous(), gradient = dy.contiguous();
  Tensor dx = torch::empty(rows.sizes(), rows.options());
  const int64_t dim = x.size(-1), count = rows_of(x), step = rows_per_task(dim);
  const int64_t pieces = (count + step - 1) / step;
  const ParameterSums dweight(of_weight, pieces, dim);
  parallel_tasks(pieces, [&](int64_t piece) {
    const int64_t first = piece * step, at = first * dim;
    kernels::kernels().rms_norm_gradient(
        {rows.data_ptr<float>() + at, scale.data_ptr<float>(), gradient.data_ptr<float>() + at,
         dx.data_ptr<float>() + at, dweight.at(piece), std::min(step, count - first), dim,
         static_cast<float>(eps)});
  });
  return {dx, dweight.total(), Tensor()};
}

NormGradient layer_norm_gradient(const Tensor& x, const Tensor& weight, const Tensor& dy,
                                 double eps, bool of_weight, bool of_bias) {
  const Tensor rows = x.contiguous(), scale = weight.contiguous(), gradient = dy.contiguous();
  Tensor dx = torch::empty(rows.sizes(), rows.options());
  const int64_t dim = x.size(-1), count = rows_of(x), step = rows_per_task(dim);
  const int64_t pieces = (count + step - 1) / step;
  const ParameterSums dweight(of_weight, pieces, dim), dbias(of_bias, pieces, dim);
  parallel_tasks(pieces, [&](int64_t piece) {
    const int64_t first = piece * step, at = first * dim;
    kernels::kernels().layer_norm_gradient(
        {rows.data_ptr<float>() + at, scale.data_ptr<float>(), gradient.data_ptr<float>() + at,
         dx.data_ptr<float>() + at, dweight.at(piece), dbias.at(piece),
         std::min(step, count - first), dim, static_cast<float>(eps)});
  });
  return {dx, dweight.total(), dbias.total()};
}

PairGradient silu_mul_gradient(const Tensor& gate, const Tensor& up, const Tensor& dy) {
  const Tensor a = gate.contiguous(), b = up.contiguous(), gradient = dy.contiguous();
  PairGradient out{torch::empty(a.sizes(), a.options()), torch::empty(a.sizes(), a.options())};
  parallel_rows(a.numel(), 1, [&](int64_t first, int64_t count) {
    kernels::kernels().silu_mul_gradient({a.data_ptr<float>() + first, b.data_ptr<float>() + first,
                                          gradient.data_ptr<float>() + first,
                                          out.first.data_ptr<float>() + first,
                                          out.second.data_ptr<float>() + first, count});
  });
  return out;
}

Tensor activation_gradient(const Tensor& x, const Tensor& dy,
                           void (*kernel)(const kernels::ActivationGradientArgs&)) {
  const Tensor dense = x.contiguous(), gradient = dy.contiguous();
  Tensor dx = torch::empty(dense.sizes(), dense.options());
  parallel_rows(dx.numel(), 1, [&](int64_t first, int64_t count) {
    kernel({dense.data_ptr<float>() + first, gradient.data_ptr<float>() + first,
            dx.data_ptr<float>() + first, count});
  });
  return dx;
}

}  // namespace isthmus::nn::fused
