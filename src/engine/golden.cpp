#include "engine/golden.h"

#include <cmath>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/types.h>

#include "base/json_view.h"
#include "engine/engine.h"
#include "engine/load.h"
#include "formats/npy.h"
#include "isthmus/error.h"
#include "weights/tensor_of.h"

namespace isthmus::engine {
namespace {

struct Expectation {
  Tensor value;
  double atol, rtol;
};

// The reference's names of stages and ours, in the order in which a model computes them.
// `per_image`: the file stacks what we keep per medium.
struct StageName {
  const char* reference;
  const char* ours;
  bool per_image;
};
constexpr StageName kStages[] = {
    {"pixel_values", "input", true},           {"vit_hidden0", "tokens", true},
    {"vit_selected", "features", true},        {"projected", "projected", true},
    {"inputs_embeds", "inputs_embeds", false}, {"llm_hidden", "hidden", false},
    {"prompt_logits", "logits", false},        {"step_logits", "step_logits", false},
};

std::vector<Part> split_at_image_markers(const std::string& text,
                                         const std::vector<std::filesystem::path>& images,
                                         size_t& next_image) {
  constexpr std::string_view kMarker = "<image>";
  std::vector<Part> parts;
  size_t from = 0;
  for (size_t at = text.find(kMarker); at != std::string::npos; at = text.find(kMarker, from)) {
    if (at > from) parts.push_back(Part::of_text(text.substr(from, at - from)));
    if (next_image < images.size()) parts.push_back(Part::of_image(images[next_image++]));
    from = at + kMarker.size();
  }
  if (from < text.size() || parts.empty()) parts.push_back(Part::of_text(text.substr(from)));
  return parts;
}

Request request_of(const JsonView& json, const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> images;
  if (const auto list = json.find("images"))
    for (const JsonView& image : list->elements()) images.push_back(folder / image.as_string());
  size_t next_image = 0;
  Request request;
  if (const auto turns = json.find("turns")) {
    request.conversation_template = json.string("conv_mode");
    bool user = true;
    for (const JsonView& turn : turns->elements()) {
      request.messages.push_back({user ? "user" : "assistant",
                                  split_at_image_markers(turn.as_string(), images, next_image)});
      user = !user;
    }
  } else {
    request.prompt = split_at_image_markers(json.string("prompt"), images, next_image);
  }
  request.generate.max_new_tokens = json.positive("max_new_tokens");
  return request;
}

std::vector<int64_t> integers(const JsonView& list) {
  std::vector<int64_t> values;
  for (const JsonView& value : list.elements()) values.push_back(value.as_integer());
  return values;
}

std::string index_of(int64_t flat, at::IntArrayRef shape) {
  std::vector<int64_t> index(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = flat % shape[d];
    flat /= shape[d];
  }
  return fmt::format("[{}]", fmt::join(index, ", "));
}

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
  const bool finite = torch::isfinite(got).all().item<bool>();
  if (finite && (excess.numel() == 0 || excess.max().item<double>() <= 0)) return result;
  const int64_t worst = finite ? excess.argmax().item<int64_t>() : 0;
  result.agrees = false;
  result.detail =
      fmt::format("max |Δ| {:.2g} at {} (tolerance {:.0e} + {:.0e}·|x|)", result.max_difference,
                  index_of(worst, want.sizes()), expected.atol, expected.rtol);
  return result;
}

template <typename T>
StageResult compare_exact(const T& found, const T& expected) {
  StageResult result;
  result.agrees = found == expected;
  if (!result.agrees) result.detail = fmt::format("{} where the reference has {}", found, expected);
  return result;
}

// Everything a case expects, by name.
class Case {
 public:
  explicit Case(const std::filesystem::path& folder)
      : folder_(folder), json_(JsonView::load(folder / "expect.json")) {
    for (const JsonView& tensor : json_.at("tensors").elements())
      tensors_.emplace(tensor.string("name"), tensor);
  }
  const JsonView& json() const { return json_; }
  std::string name() const {
    return fmt::format("{}/{}", json_.string("family", "?"), json_.string("case", "?"));
  }

  std::optional<Expectation> find(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return std::nullopt;
    const JsonView& entry = found->second;
    const auto array = formats::read_npy(folder_ / entry.string("file"));
    return Expectation{weights::tensor_of(array).clone(), entry.number("atol"),
                       entry.number("rtol")};
  }

 private:
  std::filesystem::path folder_;
  JsonView json_;
  std::map<std::string, JsonView> tensors_;
};

// All media of a request under one name, as the reference stacks them.
std::optional<Tensor> stacked(const Trace& trace, const std::string& stage) {
  std::vector<Tensor> pieces;
  for (size_t i = 0;; ++i) {
    const Tensor* value = trace.find(fmt::format("media.{}.{}", i, stage));
    if (value == nullptr) break;
    pieces.push_back(*value);
  }
  if (pieces.empty()) return std::nullopt;
  return torch::cat(pieces, 0);
}

std::optional<Tensor> find_stage(const Trace& trace, const StageName& stage) {
  if (stage.per_image) return stacked(trace, stage.ours);
  if (std::string_view(stage.ours) == "hidden") {
    std::vector<Tensor> layers;
    for (size_t layer = 0;; ++layer) {
      const Tensor* value = trace.find(fmt::format("hidden.{}", layer));
      if (value == nullptr) break;
      layers.push_back(*value);
    }
    return layers.empty() ? std::nullopt : std::optional<Tensor>(torch::stack(layers));
  }
  const Tensor* value = trace.find(stage.ours);
  return value == nullptr ? std::nullopt : std::optional<Tensor>(*value);
}

class Verifier {
 public:
  Verifier(const std::filesystem::path& folder, std::string model, LoadOptions options,
           const std::function<void(const StageResult&)>& on_stage)
      : folder_(folder),
        case_(folder),
        model_(std::move(model)),
        options_(std::move(options)),
        on_stage_(on_stage) {
    report_.name = case_.name();
  }

  GoldenReport run() {
    for (const JsonView& request : case_.json().at("requests").elements()) replay(request);
    if (const auto batch = case_.json().find("batch")) replay_batch(*batch);
    return std::move(report_);
  }

 private:
  void add(const std::string& request, const std::string& stage, StageResult result) {
    result.request = request;
    result.stage = stage;
    report_.stages.push_back(result);
    if (on_stage_) on_stage_(result);
  }

  Engine& engine_for(const JsonView& request) {
    const std::string model =
        !model_.empty()
            ? model_
            : (folder_ / request.string("model", case_.json().string("model", ""))).string();
    const std::string base =
        request.contains("model_base") ? (folder_ / request.string("model_base")).string() : "";
    auto& engine = engines_[model + "\n" + base];
    if (!engine) engine = load_engine(model, base, "", options_);
    return *engine;
  }

  void replay(const JsonView& json) {
    const std::string name = json.string("name");
    const Request request = request_of(json, folder_);
    const Trace trace = engine_for(json).trace(request, true);
    add(name, "input_ids", compare_exact(trace.input_ids, integers(json.at("input_ids"))));
    for (const StageName& stage : kStages) {
      const auto expected = expectation(name, stage, json);
      if (!expected) continue;
      const auto found = find_stage(trace, stage);
      if (found) {
        add(name, stage.reference, compare(*found, *expected));
      } else {
        StageResult missing;
        missing.agrees = false;
        missing.detail = "this model has no such stage";
        add(name, stage.reference, missing);
      }
    }
    add(name, "output_ids", compare_exact(trace.output_ids, integers(json.at("output_ids"))));
    if (json.contains("output_text"))
      add(name, "output_text", compare_exact(trace.text, json.string("output_text")));
  }

  // Most tensors are called request.stage; the pixels of a case may be called pixel_values<image>
  // instead.
  std::optional<Expectation> expectation(const std::string& request, const StageName& stage,
                                         const JsonView& json) const {
    if (auto own = case_.find(fmt::format("{}.{}", request, stage.reference))) return own;
    if (std::string_view(stage.reference) != "pixel_values" || !case_.json().contains("tensors"))
      return std::nullopt;
    std::vector<Tensor> pixels;
    std::optional<Expectation> first;
    for (const JsonView& image : json.at("images").elements()) {
      const std::string digits =
          image.as_string().substr(image.as_string().find_first_of("0123456789"));
      auto one = case_.find("pixel_values" + digits.substr(0, digits.find('.')));
      if (!one) return std::nullopt;
      pixels.push_back(one->value.dim() == 3 ? one->value.unsqueeze(0) : one->value);
      first = std::move(one);
    }
    if (!first) return std::nullopt;
    first->value = torch::cat(pixels, 0);
    return first;
  }

  void replay_batch(const JsonView& batch) {
    const auto expected = case_.find("batch.last_logits");
    if (!expected) return;
    std::vector<Request> requests;
    const JsonView* first = nullptr;
    const auto all = case_.json().at("requests").elements();
    for (const JsonView& row : batch.at("rows").elements())
      for (const JsonView& request : all)
        if (request.string("name") == row.as_string()) {
          requests.push_back(request_of(request, folder_));
          first = &request;
        }
    if (first == nullptr) batch.fail("names no request");
    Engine& engine = engine_for(*first);
    const Engine::Pass pass =
        engine.forward_batch(requests, engine.family().padding(), nullptr);
    std::vector<Tensor> last;
    for (size_t row = 0; row < requests.size(); ++row)
      last.push_back(pass.logits[static_cast<int64_t>(row)][pass.real[row].end - 1]);
    add("batch", "last_logits", compare(torch::stack(last), *expected));
  }

  std::filesystem::path folder_;
  Case case_;
  std::string model_;
  LoadOptions options_;
  const std::function<void(const StageResult&)>& on_stage_;
  std::map<std::string, std::unique_ptr<Engine>> engines_;
  GoldenReport report_;
};

}  // namespace

const StageResult* GoldenReport::first_difference() const {
  for (const StageResult& stage : stages)
    if (!stage.agrees) return &stage;
  return nullptr;
}

GoldenReport verify_golden(const std::filesystem::path& folder, const std::string& model,
                           const LoadOptions& options,
                           const std::function<void(const StageResult&)>& on_stage) {
  return Verifier(folder, model, options, on_stage).run();
}

}  // namespace isthmus::engine
