// Golden cases that a model of ours wrote about itself (record_golden.h).
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/atomic_file.h"
#include "base/content_hash.h"
#include "base/ordered_json.h"
#include "engine/golden_case.h"
#include "engine/load.h"
#include "engine/record_golden.h"
#include "families/package.h"
#include "formats/bundle.h"
#include "formats/npy.h"
#include "isthmus/error.h"
#include "nn/slots.h"
#include "weights/tensor_of.h"

namespace isthmus::engine {
namespace {

using nlohmann::ordered_json;

// Products of floats differ between instruction sets by the order of their sums. Those of blocks
// are exact, but whether a number of x, which differs by as little, is rounded up or down to 8 bits
// may differ too, and behind some layers what differs is all of that rounding.  docs/numerics.md
constexpr double kOfFloats = 2e-4, kOfBlocks = 0.2;

// One answer, as far as it is recorded.
struct Observed {
  std::vector<int64_t> input_ids, output_ids;
  // In the order in which a model computes them; of all media of the request.
  std::vector<std::pair<std::string, Tensor>> stages;
  Tensor logits;  // [vocab] behind the prompt
  Tensor steps;   // [tokens, vocab] that chose each token
};

Observed observe(Engine& engine, const Request& request) {
  const Trace trace = engine.trace(request, /*hidden=*/false);
  Observed seen{trace.input_ids, trace.output_ids, {}, {}, {}};
  for (const char* stage : {"input", "features", "aligned"})
    if (const Tensor* value = trace.find(fmt::format("media.0.{}", stage)))
      seen.stages.emplace_back(stage, *value);
  const Tensor& logits = *trace.find("logits");
  seen.logits = logits[logits.size(0) - 1].contiguous();
  seen.stages.emplace_back("logits", seen.logits);
  seen.steps = *trace.find("step_logits");
  return seen;
}

class NothingWanted : public nn::Probe {
 public:
  bool wants(std::string_view) const override { return false; }
  void see(std::string_view, const Tensor&) override {}
};

// The same without an answer: of a model whose logits are no numbers, so that none can be chosen.
Observed observe_prompt(Engine& engine, const Request& request) {
  NothingWanted probe;  // with a probe all stages are kept
  const Engine::Pass pass =
      engine.forward_batch(std::span(&request, 1), engine.family().padding(), &probe);
  Observed seen{pass.ids.front(), {}, {}, {}, {}};
  if (!pass.media.front().empty()) {
    const CachedMedia& medium = *pass.media.front().front();
    seen.stages.emplace_back("input",
                             torch::tensor(medium.prepared.values).view(medium.prepared.shape));
    seen.stages.emplace_back("features", medium.encoded.features);
    seen.stages.emplace_back("aligned", medium.encoded.memory != nullptr
                                            ? medium.encoded.memory->latents
                                            : medium.encoded.tokens);
  }
  seen.logits = pass.logits[0][pass.real.front().end - 1].contiguous();
  seen.stages.emplace_back("logits", seen.logits);
  return seen;
}

const Tensor* find_stage(const Observed& seen, const std::string& name) {
  const auto found = std::ranges::find(seen.stages, name, &std::pair<std::string, Tensor>::first);
  return found == seen.stages.end() ? nullptr : &found->second;
}

// Every column of [rows, columns] is met, and of logits every sixteenth: that is as many rows of a
// matrix as a block has, so no damaged block of the last one hides between them.
int64_t stride_for(const Tensor& value) {
  constexpr int64_t kLogits = 4096, kBlockRows = 16;
  if (value.dim() < 2) return std::clamp<int64_t>(value.numel() / kLogits, 1, kBlockRows);
  int64_t stride = std::max<int64_t>(1, value.numel() / value.size(-1));
  while (std::gcd(stride, value.size(-1)) != 1) --stride;
  return stride;
}

Tensor sampled(const Tensor& value, int64_t stride) {
  const Tensor flat = value.reshape({-1}).to(torch::kFloat32);
  return flat.slice(0, 0, flat.size(0), stride).contiguous();
}

double deviation(const Tensor& value) {
  return value.numel() < 2 ? value.abs().sum().item<double>()
                           : value.to(torch::kFloat64).std().item<double>();
}

// Which parts are held in blocks of few bits.
struct InBlocks {
  bool encoder = false, aligner = false, decoder = false;

  explicit InBlocks(torch::nn::Module& modules) {
    for (const nn::Slot& slot : nn::slots_of(modules)) {
      if (!slot.is_matrix() || slot.matrix() == nullptr || !is_quantised(slot.matrix()->dtype()))
        continue;
      encoder |= slot.name.starts_with("encoder.");
      aligner |= slot.name.starts_with("aligner.");
      decoder |= slot.name.starts_with("decoder.");
    }
  }
  // Of what `stage` may differ by, in parts of its own deviation and of each value.
  double tolerance(const std::string& stage, bool has_media) const {
    if (stage == "input") return kOfFloats;
    if (stage == "features") return encoder ? kOfBlocks : kOfFloats;
    const bool before = has_media && (encoder || aligner);
    if (stage == "aligned") return before ? kOfBlocks : kOfFloats;
    return before || decoder ? kOfBlocks : kOfFloats;
  }
};

// KL(p || q) in nats of the two distributions.
double divergence(const Tensor& p, const Tensor& q) {
  const Tensor log_p = p.to(torch::kFloat64).log_softmax(-1),
               log_q = q.to(torch::kFloat64).log_softmax(-1);
  return std::max(0.0, (log_p.exp() * (log_p - log_q)).sum().item<double>());
}

// ‖a - b‖ / ‖b‖
double relative_distance(const Tensor& a, const Tensor& b) {
  return ((a - b).norm() / b.norm().clamp_min(1e-30)).item<double>();
}

// The tokens whose lead over the next likeliest no tolerance can take away.
int64_t count_certain(const Observed& seen, double tolerance) {
  for (int64_t i = 0; i < seen.steps.size(0); ++i) {
    const Tensor row = seen.steps[i];
    const Tensor best = std::get<0>(row.topk(2));
    const double moved = tolerance * (deviation(row) + best.abs().max().item<double>());
    if (!((best[0] - best[1]).item<double>() > 2 * moved)) return i;
  }
  return seen.steps.size(0);
}

ordered_json distance_of(const Observed& seen, const Observed& source, SourceDistance& all) {
  ordered_json distance;
  for (const char* stage : {"features", "aligned"}) {
    const Tensor *own = find_stage(seen, stage), *other = find_stage(source, stage);
    if (own != nullptr && other != nullptr) distance[stage] = relative_distance(*own, *other);
  }
  const double kl = divergence(source.logits, seen.logits);
  const bool same = seen.logits.argmax().item<int64_t>() == source.logits.argmax().item<int64_t>();
  distance["kl"] = kl;
  distance["same_choice"] = same;
  const auto differs = std::ranges::mismatch(seen.output_ids, source.output_ids).in1;
  distance["same_tokens"] = differs - seen.output_ids.begin();
  all.largest_kl = std::max(all.largest_kl, kl);
  all.same_choice += same ? 1 : 0;
  ++all.questions;
  return distance;
}

// Writes the arrays of one case and lists them.
class Arrays {
 public:
  explicit Arrays(const std::filesystem::path& folder) : folder_(folder) {}
  void add(const std::string& name, const Tensor& kept, int64_t stride, double atol, double rtol) {
    const std::string file = fmt::format("{}.npy", list_.size());  // names are the model's
    const formats::RawTensor raw = weights::raw_of(name, kept);
    formats::write_npy(folder_ / file, raw.dtype, raw.shape, raw.bytes);
    list_.push_back(
        {{"name", name}, {"file", file}, {"stride", stride}, {"atol", atol}, {"rtol", rtol}});
  }
  const ordered_json& list() const { return list_; }

 private:
  const std::filesystem::path& folder_;
  ordered_json list_ = ordered_json::array();
};

constexpr int64_t kTop = 16;  // of the highest logits

Tensor at_ids(const Tensor& logits, const std::vector<int64_t>& ids) {
  return logits.index_select(0, torch::tensor(ids));
}

// Of a file: ids that this model has.
std::vector<int64_t> checked_ids(const JsonView& list, int64_t vocab_size) {
  std::vector<int64_t> ids = integers(list);
  for (const int64_t id : ids)
    if (id < 0 || id >= vocab_size)
      list.fail(fmt::format("{} is no id of the model's {} tokens", id, vocab_size));
  return ids;
}

// A hash of the bytes of every weight, by part and by its name in a model's one file.
ordered_json hashes_of(const families::Family& family) {
  ordered_json hashes;
  for (const families::Package::Weights& weights : family.package().weights)
    for (const std::string& name : weights.source.checkpoint.names()) {
      const auto slot = weights.source.names.to_module(name);
      if (!slot || (weights.source.ignores && weights.source.ignores(name))) continue;
      hashes[slot->name.substr(0, slot->name.find('.'))][weights.file + ":" + name] =
          hash_bytes(weights.source.checkpoint.at(name).bytes).hex();
    }
  return hashes;
}

// Whether the weights are the bytes that were written: a part at a time, as they are computed with.
void verify_weights(const JsonView& expected, const families::Family& family, Findings& findings) {
  const ordered_json found = hashes_of(family);
  for (const char* part : {"encoder", "aligner", "decoder"}) {
    if (!expected.contains(part)) continue;
    StageResult result;
    for (const auto& [name, hash] : expected.at(part).members()) {
      const bool is_there = found.contains(part) && found[part].contains(name);
      if (is_there && found[part][name].get<std::string>() == hash.as_string()) continue;
      if (++result.num_outside == 1)
        result.detail =
            fmt::format("{} is {}", name, is_there ? "not as it was written" : "missing");
    }
    result.agrees = result.num_outside == 0;
    if (result.num_outside > 1)
      result.detail += fmt::format(", and so are {} more tensors", result.num_outside - 1);
    findings.add("weights", part, std::move(result));
  }
}

Request request_of(const GoldenQuestion& question, const std::filesystem::path& folder) {
  return Request::parse(question.request.dump(), question.name, folder);
}

}  // namespace

SourceDistance record_golden(const std::filesystem::path& folder, const std::string& name,
                             const ordered_json& about, std::span<const GoldenQuestion> questions,
                             Engine& model, Engine& source,
                             const std::function<void()>& on_answer) {
  const InBlocks blocks(model.family().modules());
  Arrays arrays(folder);
  SourceDistance distance;
  ordered_json requests = ordered_json::array();
  const auto ask = [&](Engine& engine, const Request& request) {
    Observed seen = observe(engine, request);
    if (on_answer) on_answer();
    return seen;
  };
  for (const GoldenQuestion& question : questions) {
    const Request request = request_of(question, folder);
    const Observed seen = ask(model, request), other = ask(source, request);
    const bool has_media = find_stage(seen, "input") != nullptr;
    const double last = blocks.tolerance("logits", has_media);
    const double spread = deviation(seen.logits);
    for (const auto& [stage, value] : seen.stages) {
      const double tolerance = blocks.tolerance(stage, has_media);
      const int64_t stride = stride_for(value);
      arrays.add(question.name + "." + stage, sampled(value, stride), stride,
                 tolerance * deviation(value), tolerance);
    }
    const Tensor best =
        std::get<1>(seen.logits.topk(std::min(kTop, seen.logits.size(0)))).contiguous();
    const std::vector<int64_t> top(best.data_ptr<int64_t>(),
                                   best.data_ptr<int64_t>() + best.numel());
    arrays.add(question.name + ".top_logits", at_ids(seen.logits, top), 1, last * spread, last);
    requests.push_back({{"name", question.name},
                        {"request", question.request},
                        {"input_ids", seen.input_ids},
                        {"top_ids", top},
                        {"output_ids", seen.output_ids},
                        {"certain", count_certain(seen, last)},
                        {"source", distance_of(seen, other, distance)}});
  }
  ordered_json all{{"case", name}, {"recorded", about}, {"requests", std::move(requests)}};
  all["recorded"]["source"] = {{"questions", distance.questions},
                               {"same_choice", distance.same_choice},
                               {"largest_kl", distance.largest_kl}};
  all["weights"] = hashes_of(model.family());
  all["tensors"] = arrays.list();
  write_file(folder / "expect.json", all.dump(1) + "\n");
  return distance;
}

void verify_recorded(const Case& golden, const std::string& model, const LoadOptions& options,
                     Findings& findings) {
  const auto engine = load_engine(model, "", "", options);
  // Another model, or the same in a folder, has other bytes.
  if (formats::is_bundle(model))
    verify_weights(golden.json().at("weights"), engine->family(), findings);
  for (const JsonView& json : golden.json().at("requests").elements()) {
    const std::string name = json.string("name");
    const GoldenQuestion question{name, ordered_json(json.at("request").raw())};
    const Request request = request_of(question, golden.folder());
    Observed seen;
    std::string failure;
    try {
      seen = observe(*engine, request);
    } catch (const ModelError& error) {
      failure = error.what();
      seen = observe_prompt(*engine, request);
    }
    findings.add(name, "input_ids", compare_exact(seen.input_ids, integers(json.at("input_ids"))));
    const auto add = [&](const std::string& stage, const Tensor& value) {
      if (const auto expected = golden.find(name + "." + stage))
        findings.add(name, stage, compare(sampled(value, expected->stride), *expected));
    };
    for (const auto& [stage, value] : seen.stages) {
      if (stage == "logits")
        add("top_logits", at_ids(value, checked_ids(json.at("top_ids"), value.numel())));
      add(stage, value);
    }
    if (!failure.empty()) {
      findings.add_missing(name, "output_ids", failure);
      continue;
    }
    std::vector<int64_t> certain = integers(json.at("output_ids")), found = seen.output_ids;
    certain.resize(std::min(certain.size(), static_cast<size_t>(json.integer("certain"))));
    if (certain.empty()) continue;
    found.resize(std::min(found.size(), certain.size()));
    findings.add(name, "output_ids", compare_exact(found, certain));
  }
}

}  // namespace isthmus::engine
