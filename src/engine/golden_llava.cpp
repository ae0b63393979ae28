// Golden cases of LLaVA: every request traced, stage by stage.
#include "engine/golden_case.h"
#include "engine/load.h"

namespace isthmus::engine {
namespace {

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
      request.messages.push_back(
          {user ? "user" : "assistant", split_at_markers(turn.as_string(), images, next_image)});
      user = !user;
    }
  } else {
    request.prompt = split_at_markers(json.string("prompt"), images, next_image);
  }
  request.generate.max_new_tokens = json.positive("max_new_tokens");
  return request;
}

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

class LlavaVerifier {
 public:
  LlavaVerifier(const Case& golden, const std::string& model, const LoadOptions& options,
                Findings& findings)
      : case_(golden),
        folder_(golden.folder()),
        model_(model),
        options_(options),
        findings_(findings) {}

  void run() {
    for (const JsonView& request : case_.json().at("requests").elements()) replay(request);
    if (const auto batch = case_.json().find("batch")) replay_batch(*batch);
  }

 private:
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
    findings_.add(name, "input_ids",
                  compare_exact(trace.input_ids, integers(json.at("input_ids"))));
    for (const StageName& stage : kStages) {
      const auto expected = expectation(name, stage, json);
      if (!expected) continue;
      const auto found = find_stage(trace, stage);
      if (found) {
        findings_.add(name, stage.reference, compare(*found, *expected));
      } else {
        findings_.add_missing(name, stage.reference, "this model has no such stage");
      }
    }
    findings_.add(name, "output_ids",
                  compare_exact(trace.output_ids, integers(json.at("output_ids"))));
    if (json.contains("output_text"))
      findings_.add(name, "output_text", compare_exact(trace.text, json.string("output_text")));
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
    const Engine::Pass pass = engine.forward_batch(requests, engine.family().padding(), nullptr);
    std::vector<Tensor> last;
    for (size_t row = 0; row < requests.size(); ++row)
      last.push_back(pass.logits[static_cast<int64_t>(row)][pass.real[row].end - 1]);
    findings_.add("batch", "last_logits", compare(torch::stack(last), *expected));
  }

  const Case& case_;
  const std::filesystem::path& folder_;
  const std::string& model_;
  const LoadOptions& options_;
  Findings& findings_;
  std::map<std::string, std::unique_ptr<Engine>> engines_;
};

}  // namespace

void verify_llava(const Case& golden, const std::string& model, const LoadOptions& options,
                  Findings& findings) {
  LlavaVerifier(golden, model, options, findings).run();
}

}  // namespace isthmus::engine
