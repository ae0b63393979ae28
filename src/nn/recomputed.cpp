#include "nn/recomputed.h"

#include <mutex>
#include <utility>

#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/autograd/custom_function.h>

#include "isthmus/error.h"

namespace isthmus::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor random_state() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  return generator.get_state();
}

void set_random_state(const Tensor& state) {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard lock(generator.mutex());
  generator.set_state(state);
}

// As it was before, whatever is drawn meanwhile.
class RandomStateGuard {
 public:
  explicit RandomStateGuard(const Tensor& state) : before_(random_state()) {
    set_random_state(state);
  }
  ~RandomStateGuard() { set_random_state(before_); }
  RandomStateGuard(const RandomStateGuard&) = delete;
  RandomStateGuard& operator=(const RandomStateGuard&) = delete;

 private:
  Tensor before_;
};

struct Body : torch::CustomClassHolder {
  explicit Body(std::function<Tensor(const Tensor&)> f) : run(std::move(f)) {}
  const std::function<Tensor(const Tensor&)> run;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  // Recorded both times, because modules compute differently where nothing is (dropout, products
  // that round x). Returns x, cut off from what made it, and y.
  static std::pair<Tensor, Tensor> run(const Body& body, const Tensor& x, bool asked) {
    const torch::AutoGradMode recording(true);
    const Tensor own = x.detach().requires_grad_(asked);
    return {own, body.run(own)};
  }

  // `asks` asks for gradients, so that parameters get theirs where x asks for none.
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& /*asks*/,
                        const c10::intrusive_ptr<Body>& body) {
    context->save_for_backward({x});
    context->saved_data["body"] = torch::IValue::make_capsule(body);
    context->saved_data["random"] = random_state();
    return run(*body, x, context->needs_input_grad(0)).second.detach();
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    if (torch::GradMode::is_enabled())
      throw UnsupportedError(
          "gradient checkpointing has no second derivative: call backward without create_graph");
    const bool asked = context->needs_input_grad(0);
    const auto capsule = context->saved_data["body"].toCapsule();
    const auto [x, y] = [&] {
      const RandomStateGuard same_numbers(context->saved_data["random"].toTensor());
      return run(static_cast<const Body&>(*capsule), context->get_saved_variables()[0], asked);
    }();
    y.backward(gradients[0]);
    return {asked ? x.grad() : Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor recomputed(std::function<Tensor(const Tensor&)> body, const Tensor& x) {
  return Recomputed::apply(x, torch::empty({0}, torch::requires_grad()),
                           c10::make_intrusive<Body>(std::move(body)));
}

}  // namespace isthmus::nn
