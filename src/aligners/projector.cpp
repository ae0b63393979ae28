#include "aligners/projector.h"

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "isthmus/error.h"
#include "nn/ops.h"

namespace isthmus::aligners {
namespace {

constexpr int64_t kMaxDepth =
    64;  // far above anything published; keeps a mistyped config from filling memory

// N of mlpNx_gelu; -1 when the text is something else.
int64_t mlp_depth(const std::string& type) {
  constexpr std::string_view kPrefix = "mlp", kSuffix = "x_gelu";
  if (type.size() <= kPrefix.size() + kSuffix.size() || !type.starts_with(kPrefix) ||
      !type.ends_with(kSuffix)) {
    return -1;
  }
  const std::string digits =
      type.substr(kPrefix.size(), type.size() - kPrefix.size() - kSuffix.size());
  if (digits.size() > 3 ||
      !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return -1;
  }
  return std::max<int64_t>(1,
                           std::stoll(digits));  // mlp0x_gelu builds one linear map, as mlp1x_gelu
}

}  // namespace

ProjectorOptions ProjectorOptions::parse(const std::string& type, int64_t mm_hidden_size,
                                         int64_t hidden_size) {
  ProjectorOptions options{mm_hidden_size, hidden_size, /*depth=*/1, /*sequential=*/false};
  if (type == "linear") return options;
  if (type == "identity") {
    options.depth = 0;
    return options;
  }
  options.depth = mlp_depth(type);
  options.sequential = true;
  if (options.depth < 1 || options.depth > kMaxDepth) {
    throw UnsupportedError("mm_projector_type \"" + type +
                           "\" is not known; known are linear, identity and mlpNx_gelu "
                           "with N up to " +
                           std::to_string(kMaxDepth));
  }
  return options;
}

Projector::Projector(const ProjectorOptions& options) : options_(options) {
  ISTHMUS_CHECK(options.depth <= 1 || options.sequential,
                "several linear maps need names of their own");
  if (options.depth == 0 && options.mm_hidden_size != options.hidden_size) {
    throw ModelError("mm_projector_type identity cannot turn features of width " +
                     std::to_string(options.mm_hidden_size) + " (mm_hidden_size) into " +
                     std::to_string(options.hidden_size) + " (hidden_size)");
  }
  std::shared_ptr<torch::nn::Module> sequence;
  if (options.sequential) {
    sequence = register_module("projector", std::make_shared<torch::nn::Module>("Sequential"));
  }
  for (int64_t i = 0; i < options.depth; ++i) {
    nn::Linear linear(i == 0 ? options.mm_hidden_size : options.hidden_size, options.hidden_size,
                      options.bias);
    if (sequence) {
      sequence->register_module(std::to_string(2 * i), linear);
    } else {
      register_module("projector", linear);
    }
    linears_.push_back(linear);
  }
}

Alignment Projector::align(const nn::Features& features, const nn::ForwardContext& context) {
  Tensor x = features.values;
  ISTHMUS_CHECK(x.size(-1) == options_.mm_hidden_size,
                "features of another width than mm_hidden_size");
  for (size_t i = 0; i < linears_.size(); ++i) {
    x = linears_[i](i == 0 ? x : nn::ops::gelu(x));
    nn::between_blocks(context.probe);
  }
  if (context.probe != nullptr && context.probe->wants("aligner.tokens"))
    context.probe->see("aligner.tokens", x);
  return {x, Tensor()};
}

const Tensor& Projector::image_newline() const {
  ISTHMUS_CHECK(image_newline_.defined(), "this model has no image_newline");
  return image_newline_;
}

std::vector<nn::Slot> Projector::slots() {
  if (!options_.image_newline) return {};
  return {tensor_slot("image_newline", image_newline_, {options_.hidden_size})};
}

}  // namespace isthmus::aligners
