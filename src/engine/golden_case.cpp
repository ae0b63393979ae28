#include "engine/golden_case.h"

#include <algorithm>

#include "formats/npy.h"
#include "weights/tensor_of.h"

namespace isthmus::engine {

namespace fs = std::filesystem;

namespace {

std::string index_of(int64_t flat, at::IntArrayRef shape) {
  std::vector<int64_t> index(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = flat % shape[d];
    flat /= shape[d];
  }
  return fmt::format("[{}]", fmt::join(index, ", "));
}

}  // namespace

StageResult compare(const Tensor& found, const Expectation& expected) {
  StageResult result;
  const Tensor want = expected.value.to(torch::kFloat64);
  Tensor got = found.to(torch::kFloat64);
  if (got.numel() != want.numel()) {
    result.agrees = false;
    result.detail = fmt::format("shape {} where the reference has {}", fmt::join(got.sizes(), "x"),
                                fmt::join(want.sizes(), "x"));
    return result;
  }
  got = got.reshape(want.sizes());
  const Tensor difference = (got - want).abs();
  const Tensor excess = difference - (expected.atol + expected.rtol * want.abs());
  result.max_difference = difference.numel() == 0 ? 0 : difference.max().item<double>();
  result.num_outside = (excess <= 0).logical_not().sum().item<int64_t>();  // NaN is outside
  if (result.num_outside == 0) return result;
  const int64_t worst = excess.argmax().item<int64_t>();
  result.agrees = false;
  result.detail =
      fmt::format("{} of {} values, max |Δ| {:.2g} at {} (tolerance {:.0e} + {:.0e}·|x|)",
                  result.num_outside, want.numel(), result.max_difference,
                  index_of(worst, want.sizes()), expected.atol, expected.rtol);
  return result;
}

std::vector<int64_t> integers(const JsonView& list) {
  std::vector<int64_t> values;
  for (const JsonView& value : list.elements()) values.push_back(value.as_integer());
  return values;
}

Case::Case(const std::filesystem::path& folder)
    : folder_(folder.has_filename() ? folder : folder.parent_path()),
      json_(JsonView::load(folder_ / "expect.json")) {
  if (const auto tensors = json_.find("tensors"))
    for (const JsonView& tensor : tensors->elements())
      tensors_.emplace(tensor.string("name"), tensor);
}

std::string Case::name() const {
  const fs::path where = fs::absolute(folder_ / "expect.json").parent_path();
  const std::string own = json_.string("case", where.filename().string());
  const bool is_whole = own.find('/') != std::string::npos || json_.contains("recorded");
  return is_whole ? own : fmt::format("{}/{}", family(), own);
}

std::string Case::family() const {
  for (const char* mark : {"modalities", "captions", "depth_normal"})
    if (json_.contains(mark)) return "onellm";
  return json_.string("family", "llava");
}

std::optional<Expectation> Case::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return std::nullopt;
  const JsonView& entry = found->second;
  const auto array = formats::read_npy(folder_ / entry.string("file"));
  return Expectation{weights::tensor_of(array).clone(), entry.number("atol"), entry.number("rtol"),
                     entry.positive("stride", 1)};
}

Findings::Findings(std::string name, const std::function<void(const StageResult&)>& on_stage)
    : on_stage_(on_stage) {
  report_.name = std::move(name);
}

void Findings::add(const std::string& request, const std::string& stage, StageResult result) {
  result.request = request;
  result.stage = stage;
  report_.stages.push_back(result);
  if (on_stage_) on_stage_(result);
}

void Findings::add(const Case& golden, const std::string& request, const std::string& stage,
                   const Tensor& found) {
  if (const auto expected = golden.find(stage)) add(request, stage, compare(found, *expected));
}

void Findings::add_missing(const std::string& request, const std::string& stage,
                           const std::string& detail) {
  StageResult missing;
  missing.agrees = false;
  missing.detail = detail;
  add(request, stage, missing);
}

}  // namespace isthmus::engine
