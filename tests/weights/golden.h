// A published-layout fixture: its expected tensors with their tolerances, its weights, its inputs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/types.h>

#include "base/json_view.h"
#include "formats/npy.h"
#include "layout/llava_config.h"
#include "layout/llava_names.h"
#include "nn/forward_context.h"
#include "weights/bind.h"
#include "weights/tensor_of.h"

namespace isthmus::testing {
using torch::Tensor;

inline std::filesystem::path fixture(const std::string& path, const std::string& family = "llava") {
  return std::filesystem::path(ISTHMUS_FIXTURES) / family / path;
}

class GoldenCase {
 public:
  explicit GoldenCase(const std::string& name, const std::string& family = "llava")
      : folder_(fixture(name, family)), json_(JsonView::load(folder_ / "expect.json")) {}

  const JsonView& json() const { return json_; }
  std::filesystem::path path(const std::string& below) const { return folder_ / below; }
  std::vector<JsonView> requests() const { return json_.at("requests").elements(); }
  bool has(const std::string& name) const { return entry(name).has_value(); }

  Tensor tensor(const std::string& name) const {
    return weights::tensor_of(formats::read_npy(folder_ / entry(name)->string("file"))).clone();
  }

  // Compares with the case's own tolerance for this tensor.
  void expect_agrees(const std::string& name, const Tensor& got, const std::string& how) const {
    const Tensor want = tensor(name);
    ASSERT_EQ(got.sizes(), want.sizes()) << name << ", " << how;
    const double atol = entry(name)->number("atol"), rtol = entry(name)->number("rtol");
    const Tensor excess = (got.detach() - want).abs() - (atol + rtol * want.abs());
    EXPECT_TRUE(torch::isfinite(got).all().item<bool>()) << name << ", " << how;
    EXPECT_LE(excess.max().item<double>(), 0)
        << name << ", " << how << ": max |Δ| " << (got.detach() - want).abs().max().item<double>();
  }

  // Not every case holds what the tower eats.
  bool has_pixel_values(const JsonView& request) const {
    if (has(request.string("name") + ".pixel_values")) return true;
    for (const JsonView& image : request.at("images").elements())
      if (!has(pixel_values_of(image))) return false;
    return true;
  }

  // What the tower eats for one request: its own tensor, or the tensors of the images it names, in
  // order.
  Tensor pixel_values(const JsonView& request) const {
    const std::string own = request.string("name") + ".pixel_values";
    if (has(own)) return tensor(own);
    std::vector<Tensor> all;
    for (const JsonView& image : request.at("images").elements()) {
      const Tensor values = tensor(pixel_values_of(image));
      all.push_back(values.dim() == 3 ? values.unsqueeze(0) : values);
    }
    return torch::cat(all);
  }

 private:
  static std::string pixel_values_of(const JsonView& image) {
    const std::string stem = std::filesystem::path(image.as_string()).stem().string();  // img0
    return "pixel_values" + stem.substr(3);
  }

  std::optional<JsonView> entry(const std::string& name) const {
    for (const JsonView& tensor : json_.at("tensors").elements()) {
      if (tensor.string("name") == name) return tensor;
    }
    return std::nullopt;
  }

  std::filesystem::path folder_;
  JsonView json_;
};

// The part of a published LLaVA that lives below `prefix` ("decoder.") of the module tree, for a
// module of its own.
inline weights::WeightSource part_of(const formats::Checkpoint& checkpoint,
                                     const layout::LlavaNames& names, const std::string& prefix) {
  std::vector<formats::NameRule> rules;
  const auto wanted = [names, prefix](std::string_view name) {
    const auto mapped = names.ignores(name) ? std::nullopt : names.map.to_module(name);
    return mapped && mapped->name.starts_with(prefix);
  };
  for (const std::string& name : checkpoint.names()) {
    if (wanted(name))
      rules.push_back({name, names.map.to_module(name)->name.substr(prefix.size())});
  }
  return {checkpoint, formats::NameMap(std::move(rules)),
          [wanted](std::string_view name) { return !wanted(name); }};
}

inline weights::WeightSource part_of(const std::filesystem::path& model, layout::LlavaLayout layout,
                                     const std::string& prefix) {
  const auto checkpoint = formats::Checkpoint::open(model);
  return part_of(checkpoint, layout::names_for(layout, checkpoint), prefix);
}

// Runs `body` on the composed path with gradients enabled, then on the fused path in inference
// mode.
template <typename Body>
void on_both_paths(const Body& body) {
  {
    const nn::ops::ComposedOnly composed;
    body("composed path");
  }
  const c10::InferenceMode inference;
  body("fused path");
}

// Collects what it was asked for.
class Recorder final : public nn::Probe {
 public:
  explicit Recorder(std::string prefix) : prefix_(std::move(prefix)) {}
  bool wants(std::string_view name) const override { return name.starts_with(prefix_); }
  void see(std::string_view name, const Tensor& value) override {
    names.emplace_back(name);
    values.push_back(value);
  }
  std::vector<std::string> names;
  std::vector<Tensor> values;

 private:
  std::string prefix_;
};

}  // namespace isthmus::testing
