// What moves the weights along their gradients.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "training/trainable.h"

namespace isthmus::training {

struct ParameterGroup {
  std::string name;
  std::vector<Trainable> members;
  double rate = 0;  // at full learning rate; the schedule scales it
  double weight_decay = 0;
};

// Not for several threads. Weights without a gradient are left alone: no decay, no step counted.
class Optimizer {
 public:
  explicit Optimizer(std::vector<ParameterGroup> groups) : groups_(std::move(groups)) {}
  virtual ~Optimizer() = default;

  // One step, each group with the rate of `rates` at its place.
  virtual void step(const std::vector<double>& rates) = 0;
  // Everything that the next step depends on besides weights and gradients, by name. What was never
  // stepped has no entry.
  virtual std::vector<std::pair<std::string, Tensor>> state() const = 0;
  // Throws ModelError for a name or shape that does not belong to these weights.
  virtual void load_state(const std::vector<std::pair<std::string, Tensor>>& state) = 0;

  const std::vector<ParameterGroup>& groups() const { return groups_; }
  // Of all groups.
  std::vector<Trainable> trainables() const;

 protected:
  std::vector<ParameterGroup> groups_;
};

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
};

// Loshchilov & Hutter 2019, algorithm 2, with PyTorch's order of operations:
//   w ← w (1 - lr λ);  m ← m + (1 - β₁)(g - m);  v ← β₂ v + (1 - β₂) g²
//   w ← w - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)
std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups,
                                      const AdamWOptions& options);

struct MuonOptions {
  double momentum = 0.95;
  int64_t newton_schulz_steps = 5;
};

// Jordan et al. 2024: Nesterov momentum, the update of every matrix made orthogonal by a few
// Newton-Schulz steps with (3.4445, -4.7750, 2.0315) and scaled by √max(1, rows / columns);
// decoupled weight decay. Every member must be a matrix.
std::unique_ptr<Optimizer> make_muon(std::vector<ParameterGroup> groups,
                                     const MuonOptions& options);

}  // namespace isthmus::training
