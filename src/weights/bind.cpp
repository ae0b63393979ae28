#include "weights/bind.h"

#include <algorithm>
#include <memory>
#include <set>
#include <unordered_map>

#include <ATen/CPUGeneratorImpl.h>

#include "base/check.h"
#include "formats/bytes.h"
#include "isthmus/error.h"
#include "nn/dense_matrix.h"
#include "nn/slots.h"
#include "weights/ggml_matrix.h"
#include "weights/tensor_of.h"

namespace isthmus::weights {
namespace {

using formats::RawTensor;
using torch::Tensor;

constexpr size_t kShownProblems = 10;

std::shared_ptr<const nn::WeightMatrix> make_matrix(const RawTensor& raw, DType held,
                                                    nn::Arithmetic arithmetic, bool& mapped) {
  nn::StoredMatrix rows;
  if (is_quantised(raw.dtype) && held == raw.dtype) {
    mapped = true;
    return blocks_of(raw);
  }
  if (is_quantised(held)) return quantised(raw, held);
  mapped = held == raw.dtype && view_as_rows(raw, rows);
  if (mapped) return std::make_shared<nn::DenseMatrix>(rows, raw.owner, arithmetic);
  const Tensor values =
      tensor_of(raw).to(scalar_type_of(held)).contiguous().reshape({raw.shape[0], -1});
  return std::make_shared<nn::DenseMatrix>(values, arithmetic);
}

// The stored rows and, behind them, as many random ones as are missing.
Tensor grown(const RawTensor& raw, int64_t rows, DType held) {
  constexpr double kInitializerRange = 0.02;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(/*seed=*/0);
  const Tensor fresh = torch::empty({rows - raw.shape[0], raw.shape[1]}, torch::kFloat)
                           .normal_(0, kInitializerRange, generator);
  return torch::cat({float_tensor_of(raw), fresh}, 0).to(scalar_type_of(held));
}

// " (hidden_size 5120, vocab_size 32000)": the config's names for the dimensions that differ.
std::string explain(const Shape& found, const Shape& expected, const BindOptions& options) {
  std::set<int64_t> wrong;
  for (size_t d = 0; d < expected.size(); ++d) {
    if (found.size() != expected.size() || found[d] != expected[d]) wrong.insert(expected[d]);
  }
  std::string names;
  for (const auto& [name, size] : options.dimensions) {
    if (wrong.contains(size))
      names += (names.empty() ? "" : ", ") + name + " " + std::to_string(size);
  }
  return names.empty() ? names : " (" + names + ")";
}

std::string where(const RawTensor& raw) { return raw.file + ": " + formats::printable(raw.name); }

std::string file_list(const formats::Checkpoint& checkpoint) {
  std::string out;
  for (const auto& file : checkpoint.files()) {
    if (!out.empty()) out += ", ";
    out += file.filename().string();
  }
  return out;
}

// "pytorch_model.bin: lm_head.weight": under which name, in which files a missing slot was looked
// for.
std::string looked_for(const std::string& slot, std::span<const WeightSource> sources) {
  for (size_t i = sources.size(); i-- > 0;) {
    if (const auto name = sources[i].names.to_file(slot))
      return file_list(sources[i].checkpoint) + ": " + name->name;
  }
  return slot;
}

class Binder {
 public:
  Binder(std::span<const WeightSource> sources, const BindOptions& options)
      : sources_(sources), options_(options) {}

  BindReport run(torch::nn::Module& root) {
    const std::vector<nn::Slot> slots = nn::slots_of(root);
    for (const nn::Slot& slot : slots) known_.insert(slot.name);
    for (const WeightSource& source : sources_) collect(source);
    for (const nn::Slot& slot : slots) check(slot);
    if (!problems_.empty()) throw_collected(problems_);
    BindReport report;
    for (const nn::Slot& slot : slots) assign(slot, report);
    return report;
  }

 private:
  void collect(const WeightSource& source) {
    std::unordered_map<std::string, RawTensor> offered;
    for (const std::string& name : source.checkpoint.names()) {
      const RawTensor& raw = source.checkpoint.at(name);
      if (source.ignores && source.ignores(name)) continue;
      const auto slot = source.names.to_module(name);
      if (!slot || !known_.contains(slot->name)) {
        problems_.push_back(where(raw) + " is unexpected: " + options_.config +
                            " describes no such tensor");
        continue;
      }
      const auto [entry, fresh] = offered.emplace(slot->name, formats::apply(slot->transform, raw));
      if (!fresh)
        problems_.push_back(where(raw) + " and " + formats::printable(entry->second.name) +
                            " are the same tensor twice");
    }
    for (auto& [slot, raw] : offered) chosen_[slot] = std::move(raw);
  }

  void check(const nn::Slot& slot) {
    const auto entry = chosen_.find(slot.name);
    if (entry == chosen_.end()) {
      if (is_present(slot)) return;
      problems_.push_back(looked_for(slot.name, sources_) + " is missing, " + options_.config +
                          " needs it as " + to_string(slot.shape));
      return;
    }
    RawTensor& raw = entry->second;
    if (takes_first_rows(slot, raw)) raw.shape[0] = slot.shape[0];
    if (raw.shape != slot.shape && !grows(slot, raw)) {
      problems_.push_back(where(raw) + " is " + to_string(raw.shape) + ", " + options_.config +
                          " needs " + to_string(slot.shape) +
                          explain(raw.shape, slot.shape, options_));
    } else if (!is_floating_point(raw.dtype) && !(is_quantised(raw.dtype) && slot.is_matrix())) {
      problems_.push_back(where(raw) + " is " + std::string(name_of(raw.dtype)) +
                          ", expected a floating-point type");
    }
  }

  bool is_present(const nn::Slot& slot) const {
    return !options_.present.empty() && matches_glob(options_.present, slot.name);
  }

  bool grows(const nn::Slot& slot, const RawTensor& raw) const {
    const auto& slots = options_.grown_rows;
    return std::find(slots.begin(), slots.end(), slot.name) != slots.end() && slot.is_matrix() &&
           raw.shape.size() == 2 && slot.shape.size() == 2 && raw.shape[1] == slot.shape[1] &&
           raw.shape[0] < slot.shape[0];
  }

  bool takes_first_rows(const nn::Slot& slot, const RawTensor& raw) const {
    const auto& slots = options_.first_rows_only;
    return std::find(slots.begin(), slots.end(), slot.name) != slots.end() &&
           raw.shape.size() == slot.shape.size() && raw.shape[0] > slot.shape[0];
  }

  void assign(const nn::Slot& slot, BindReport& report) {
    const auto entry = chosen_.find(slot.name);
    if (entry == chosen_.end()) return;  // holds what it held
    const RawTensor& raw = entry->second;
    BoundTensor bound{slot.name, raw.name, raw.file, raw.shape, raw.dtype, DType::kF32, 0, false};
    if (slot.is_matrix()) {
      bound.held =
          options_.storage.dtype_for(slot.name, raw.blocks ? held_for(*raw.blocks) : raw.dtype);
      std::shared_ptr<const nn::WeightMatrix> matrix;
      if (!grows(slot, raw)) {
        matrix = make_matrix(raw, bound.held, options_.arithmetic, bound.mapped);
      } else if (is_quantised(bound.held)) {
        const nn::DenseMatrix values(grown(raw, slot.shape[0], DType::kF32));
        matrix = nn::QuantisedMatrix::quantise(bound.held, values);
      } else {
        matrix = std::make_shared<nn::DenseMatrix>(grown(raw, slot.shape[0], bound.held),
                                                   options_.arithmetic);
      }
      bound.bytes = matrix->bytes();
      slot.set_matrix(std::move(matrix));
    } else {
      slot.set_tensor(float_tensor_of(raw));
      bound.bytes = static_cast<size_t>(raw.element_count()) * size_of(bound.held);
    }
    (bound.mapped ? report.mapped_bytes : report.private_bytes) += bound.bytes;
    report.tensors.push_back(std::move(bound));
  }

  std::span<const WeightSource> sources_;
  const BindOptions& options_;
  std::set<std::string> known_;
  std::unordered_map<std::string, RawTensor> chosen_;
  std::vector<std::string> problems_;
};

}  // namespace

const BoundTensor* BindReport::find(std::string_view slot) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const BoundTensor& t) { return t.slot == slot; });
  return found == tensors.end() ? nullptr : &*found;
}

BindReport bind_weights(torch::nn::Module& root, std::span<const WeightSource> sources,
                        const BindOptions& options) {
  ISTHMUS_CHECK(!c10::InferenceMode::is_enabled(),
                "weights bound in inference mode could never be trained");
  return Binder(sources, options).run(root);
}

void throw_collected(const std::vector<std::string>& problems) {
  std::string message;
  for (size_t i = 0; i < std::min(problems.size(), kShownProblems); ++i) {
    message += (i == 0 ? "" : "\n") + problems[i];
  }
  if (problems.size() > kShownProblems) {
    message += "\n… and " + std::to_string(problems.size() - kShownProblems) + " more (" +
               std::to_string(problems.size()) + " in all). Do the weights belong to this config?";
  }
  throw ModelError(message);
}

}  // namespace isthmus::weights
