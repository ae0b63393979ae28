// Golden cases of OneLLM: every modality from its file to the logits of each generated token; text
// alone; the streaming demo; and the ways in which a checkpoint is cut into files.
#include <algorithm>
#include <array>

#include "engine/answering.h"
#include "engine/golden_case.h"
#include "engine/load.h"
#include "families/onellm/onellm.h"
#include "families/onellm/prompts.h"
#include "formats/npy.h"
#include "generation/logits_processor.h"
#include "isthmus/error.h"
#include "weights/tensor_of.h"

namespace isthmus::engine {
namespace {

namespace fs = std::filesystem;
using families::onellm::OneLlm;

constexpr double kOneLlmLossTolerance = 2e-3;   // that of the logits it is made of
constexpr double kProbabilityTolerance = 2e-5;  // of a softmax in float32
// README of sharded2.
constexpr double kJoinedAtol = 2e-3, kJoinedRtol = 1e-3;

// What the case gave to the reference's loaders, which expect.json does not say.
struct Input {
  const char* key;
  std::array<const char*, 2> files;  // one medium for each row
  const char* rgb = nullptr;
  double start = -1, end = -1;
};
constexpr Input kInputs[] = {
    {.key = "image", .files = {"image_0.png", "image_1.png"}},
    {.key = "video", .files = {"video.mp4"}},
    {.key = "audio", .files = {"audio.wav"}},
    {.key = "point", .files = {"point.npy"}},
    {.key = "rgbd", .files = {"depth.png"}, .rgb = "image_0.png"},
    {.key = "rgbn", .files = {"normal.png"}, .rgb = "image_0.png"},
    {.key = "fmri", .files = {"fmri.npy"}},
    {.key = "imu", .files = {"imu_a.npy"}, .start = 1.5, .end = 3.5},
};

std::vector<std::vector<int64_t>> integer_rows(const JsonView& list) {
  std::vector<std::vector<int64_t>> rows;
  for (const JsonView& row : list.elements()) rows.push_back(integers(row));
  return rows;
}

std::vector<int64_t> without(std::vector<int64_t> ids, std::optional<int64_t> end) {
  if (!ids.empty() && end && ids.back() == *end) ids.pop_back();
  return ids;
}

Tensor array_of(const fs::path& file) {
  return weights::tensor_of(formats::read_npy(file)).clone();
}

// One row of an input as the reference's loader made it; a picture is a single frame.
modalities::Prepared prepared_from(const Tensor& row, const std::string& key) {
  const Tensor dense = (key == "image" ? row.unsqueeze(0) : row).to(torch::kFloat32).contiguous();
  modalities::Prepared prepared;
  prepared.values.assign(dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel());
  prepared.shape.assign(dense.sizes().begin(), dense.sizes().end());
  prepared.modality = layout::request_name(key);
  return prepared;
}

// A loaded OneLLM and what the stages of its cases are computed with.
class Replayer {
 public:
  Replayer(const std::string& model, const LoadOptions& options)
      : engine(load_engine(model, "", "", options)),
        family(dynamic_cast<OneLlm*>(&engine->family())),
        composed_(options.composed) {
    if (family == nullptr) throw UsageError(model + ": is not a OneLLM");
  }

  // Gradients are recorded on the composed path.
  template <typename Body>
  auto compute(Body body) {
    const ArithmeticMode mode(composed_);
    return body();
  }

  families::Sequence sequence(std::vector<int64_t> ids, const families::EncodedMedia* medium) {
    std::vector<families::AlignedMedia> media;
    if (medium != nullptr) media.push_back({medium, 0});
    const auto segments = families::onellm::with_media(std::move(ids), media.size());
    return families::build_sequence(segments, media, family->language_model());
  }

  // Of all positions [rows, seq, vocab]; every row of the same length.
  Tensor logits(std::span<const families::Sequence> rows) {
    const families::Batch batch = families::pad_batch(rows, families::Padding::kLeft);
    nn::ForwardContext context;
    context.positions = batch.positions;
    decoders::LanguageModel& model = family->language_model();
    return model.logits(model.forward(batch.embeddings, context)).detach();
  }

  std::unique_ptr<Engine> engine;
  OneLlm* family;

 private:
  bool composed_;
};

class OneLlmVerifier {
 public:
  OneLlmVerifier(const Case& golden, const std::string& model, const LoadOptions& options,
                 Findings& findings)
      : case_(golden),
        json_(golden.json()),
        folder_(golden.folder()),
        findings_(findings),
        replayer_(model, options),
        engine_(*replayer_.engine),
        family_(*replayer_.family) {}

  void run() {
    for (const Input& input : kInputs)
      if (const auto expected = json_.at("modalities").find(input.key))
        replay_modality(input, *expected);
    if (const auto text = json_.find("text_only")) replay_text(*text);
    if (const auto stream = json_.find("multi_turn_stream")) replay_stream(*stream);
    if (const auto stream = json_.find("stream_truncated")) replay_truncated(*stream);
    if (const auto sampling = json_.find("sampling")) replay_sampling(*sampling);
  }

 private:
  using Encoded = std::vector<families::EncodedMedia>;

  Part part_of(const Input& input, size_t row) const {
    Part part =
        Part::of_media(layout::request_name(input.key), folder_ / "inputs" / input.files.at(row));
    if (input.rgb != nullptr) part.rgb = folder_ / "inputs" / input.rgb;
    if (input.start >= 0) part.start = input.start;
    if (input.end >= 0) part.end = input.end;
    const auto crops = json_.find("crops");
    if (const auto crop = crops ? crops->find(input.key) : std::nullopt) {
      const auto box = integers(crop->at("crop_top_left_height_width"));
      part.crop = Part::Box{box.at(0), box.at(1), box.at(2), box.at(3)};
    }
    return part;
  }

  void replay_modality(const Input& input, const JsonView& expected) {
    const std::string key = input.key;
    const auto wanted = case_.find(key + ".input");
    if (!wanted) return;
    check_input(input, *wanted);
    // What follows starts from what the reference saw.
    std::vector<modalities::Prepared> prepared;
    for (const Tensor& row : wanted->value.unbind(0)) prepared.push_back(prepared_from(row, key));
    const Encoded encoded = replay_encoding(key, prepared);
    replay_caption(key, expected, encoded);
    replay_prompts(key, expected, encoded);
    replay_answers(input, expected, prepared);
  }

  void check_input(const Input& input, const Expectation& wanted) {
    const std::string stage = std::string(input.key) + ".input";
    try {
      std::vector<Tensor> ours;
      for (int64_t row = 0; row < wanted.value.size(0); ++row) {
        const Part part = part_of(input, static_cast<size_t>(row));
        ours.push_back(torch::tensor(family_.prepare({&part, part.path.string()}).values));
      }
      findings_.add(input.key, stage, compare(torch::stack(ours), wanted));
    } catch (const UnsupportedError& error) {
      findings_.add_missing(input.key, stage, error.what());
    }
  }

  Encoded replay_encoding(const std::string& key, std::span<const modalities::Prepared> prepared) {
    StageProbe probe;
    Encoded encoded = replayer_.compute([&] { return family_.encode(prepared, &probe); });
    const auto add = [&](const char* stage, const Tensor& found) {
      const auto wanted = case_.find(key + "." + stage);
      // Of many tokens the file has every n-th.
      int64_t step = 1;
      if (wanted && wanted->value.dim() == found.dim() && found.dim() > 1)
        step = (found.size(1) + wanted->value.size(1) - 1) / wanted->value.size(1);
      findings_.add(case_, key, key + "." + stage,
                    step > 1 ? found.slice(1, 0, INT64_MAX, step) : found);
    };
    add("tokens", probe.at("encoder.tokens"));
    add("ln_pre", probe.at("encoder.hidden.0"));
    add("encoder", probe.at("encoder.frames"));
    add("proj1", probe.at("aligner.proj1"));
    const auto items = static_cast<int64_t>(encoded.size());
    const auto of_every_item = [&](const Tensor& table) {
      return table.unsqueeze(0).expand({items, -1, -1});
    };
    const Tensor logits =
        replayer_.compute([&] { return family_.modules().aligner->router_logits(key).detach(); });
    add("router_logits", of_every_item(logits));
    add("router_weights", of_every_item(encoded.front().routing));
    add("experts", probe.at("aligner.experts"));
    add("mixed", probe.at("aligner.mixed"));
    add("modality_tokens", probe.at("aligner.modality_tokens"));
    return encoded;
  }

  // The training forward: logits from the end tag on, and their loss.
  void replay_caption(const std::string& key, const JsonView& expected, const Encoded& encoded) {
    const auto ids = integer_rows(expected.at("caption_token_ids"));
    std::vector<families::Sequence> rows;
    std::vector<Tensor> embeddings;
    for (size_t row = 0; row < ids.size(); ++row) {
      rows.push_back(
          replayer_.compute([&] { return replayer_.sequence(ids[row], &encoded[row]); }));
      embeddings.push_back(rows.back().embeddings);
    }
    findings_.add(case_, key, key + ".llm_input", torch::stack(embeddings));
    const Tensor all = replayer_.compute([&] { return replayer_.logits(rows); });
    const Tensor logits = all.slice(1, encoded.front().rows());
    findings_.add(case_, key, key + ".caption_logits", logits);
    const Tensor log_probs = logits.to(torch::kFloat64).log_softmax(-1);
    double sum = 0;
    int64_t count = 0;
    for (size_t row = 0; row < ids.size(); ++row)
      for (size_t i = 1; i < ids[row].size(); ++i) {
        if (ids[row][i] == 0) continue;  // the reference ignores id 0
        sum -= log_probs[static_cast<int64_t>(row)][static_cast<int64_t>(i - 1)][ids[row][i]]
                   .item<double>();
        ++count;
      }
    findings_.add(key, "loss",
                  compare(torch::tensor({sum / static_cast<double>(count)}),
                          {torch::tensor({expected.number("loss")}), kOneLlmLossTolerance, 0}));
  }

  void replay_prompts(const std::string& key, const JsonView& expected, const Encoded& encoded) {
    check_ids(key, expected);
    Request question;
    question.messages = {{"user", {Part::of_text(expected.string("question"))}}};
    findings_.add(
        key, "template",
        compare_exact(ids_of(question), integer_rows(expected.at("prompt_token_ids")).front()));
    const auto ids = integer_rows(expected.at("prompt_token_ids"));
    std::vector<const families::EncodedMedia*> media;
    for (const auto& medium : encoded) media.push_back(&medium);
    replay_steps(key, key + ".step_logits", ids, media, /*overlap=*/2);
    replay_steps(key, key + ".step_logits_fixed", ids, media, /*overlap=*/0);
  }

  std::vector<int64_t> ids_of(const Request& request) const {
    return family_.displayed_ids(family_.segments(request, {}), {});
  }

  void check_ids(const std::string& name, const JsonView& expected) {
    const auto prompts = expected.at("prompts").elements();
    const auto ids = integer_rows(expected.at("prompt_token_ids"));
    for (size_t row = 0; row < prompts.size(); ++row) {
      Request request;
      request.prompt = {Part::of_text(prompts[row].as_string())};
      findings_.add(name, fmt::format("row {}, prompt_token_ids", row),
                    compare_exact(ids_of(request), ids[row]));
    }
  }

  // The reference reads as much of every prompt as the shortest one has, then token by token: the
  // rest of a longer prompt, and what its own logits chose.
  void replay_steps(const std::string& name, const std::string& stage,
                    const std::vector<std::vector<int64_t>>& prompts,
                    std::span<const families::EncodedMedia* const> media, int64_t overlap) {
    const auto expected = case_.find(stage);
    if (!expected) return;
    size_t shortest = prompts.front().size();
    for (const auto& prompt : prompts) shortest = std::min(shortest, prompt.size());
    const Tensor found = replayer_.compute([&] {
      std::vector<families::Sequence> sequences;
      for (size_t row = 0; row < prompts.size(); ++row)
        sequences.push_back(replayer_.sequence(
            {prompts[row].begin(), prompts[row].begin() + static_cast<std::ptrdiff_t>(shortest)},
            media.empty() ? nullptr : media[row]));
      Rows rows = rows_of(sequences, overlap);
      std::vector<Tensor> steps{rows.last_logits(rows.prefill())};
      for (int64_t call = 1; call < expected->value.size(0); ++call) {
        const Tensor chosen = expected->value[call - 1].argmax(-1);
        std::vector<int64_t> tokens;
        for (size_t row = 0; row < prompts.size(); ++row) {
          const size_t at = shortest + static_cast<size_t>(call) - 1;
          tokens.push_back(at < prompts[row].size()
                               ? prompts[row][at]
                               : chosen[static_cast<int64_t>(row)].item<int64_t>());
        }
        steps.push_back(rows.last_logits(rows.step(tokens)));
      }
      return torch::stack(steps);
    });
    findings_.add(name, stage, compare(found, *expected));
  }

  Rows rows_of(std::span<const families::Sequence> sequences, int64_t overlap) {
    return Rows(family_, sequences,
                family_.new_cache(static_cast<int64_t>(sequences.size()), family_.context_length()),
                families::LateMarker::kIgnored, overlap);
  }

  // Whole answers, as a user gets them. A row of a batch whose prompt is longer than another's is
  // answered by the reference as if it had been typed while it answered, so only the shortest is
  // compared with the offset of the reference.
  void replay_answers(const Input& input, const JsonView& expected,
                      const std::vector<modalities::Prepared>& prepared) {
    const auto prompts = expected.at("prompts").elements();
    const auto ids = integer_rows(expected.at("prompt_token_ids"));
    size_t shortest = ids.front().size();
    for (const auto& row : ids) shortest = std::min(shortest, row.size());
    for (size_t row = 0; row < prompts.size(); ++row) {
      engine_.media().prepare_with([&](const families::MediaSource&) { return prepared[row]; });
      engine_.forget();
      Request request;
      request.prompt = {part_of(input, row), Part::of_text(prompts[row].as_string())};
      request.generate.max_new_tokens = expected.positive("greedy_new_tokens");
      const std::string name = fmt::format("{} {}", input.key, row);
      if (ids[row].size() == shortest) {
        const Answer answer = engine_.generate(request, {});
        check_answer(name, "output_ids", answer, expected.at("greedy_token_ids"), row,
                     ids[row].size());
        findings_.add(
            name, "text",
            compare_exact(answer.text, expected.at("greedy_text").elements().at(row).as_string()));
      }
      request.generate.quirks["decode_offset_ignores_tags"] = false;
      check_answer(name, "output_ids, right offset", engine_.generate(request, {}),
                   expected.at("greedy_token_ids_fixed_offset"), row, ids[row].size());
    }
  }

  void check_answer(const std::string& name, const std::string& stage, const Answer& answer,
                    const JsonView& all, size_t row, size_t prompt_length) {
    std::vector<int64_t> expected = integer_rows(all).at(row);
    expected.erase(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(prompt_length));
    findings_.add(
        name, stage,
        compare_exact(without(answer.output_ids, family_.tokenizer()->eos_id()), expected));
  }

  void replay_text(const JsonView& expected) {
    check_ids("text", expected);
    const auto ids = integer_rows(expected.at("prompt_token_ids"));
    replay_steps("text", "text.step_logits", ids, {}, /*overlap=*/0);
    const auto prompts = expected.at("prompts").elements();
    const auto all = integer_rows(expected.at("greedy_token_ids"));
    for (size_t row = 0; row < prompts.size(); ++row) {
      Request request;
      request.prompt = {Part::of_text(prompts[row].as_string())};
      request.generate.max_new_tokens = static_cast<int64_t>(all[row].size() - ids[row].size());
      check_answer(fmt::format("text {}", row), "output_ids", engine_.generate(request, {}),
                   expected.at("greedy_token_ids"), row, ids[row].size());
    }
  }

  modalities::Prepared first_image() const {
    return prepared_from(case_.find("image.input")->value[0], "image");
  }

  // Two turns about the first picture; what is streamed grows to the whole answer.
  void replay_stream(const JsonView& expected) {
    Request request;
    bool with_picture = true;
    for (const JsonView& turn : expected.at("turns").elements()) {
      const auto texts = turn.elements();
      Message question{"user", {Part::of_text(texts.at(0).as_string())}};
      if (with_picture) question.content.push_back(part_of(kInputs[0], 0));
      with_picture = false;
      request.messages.push_back(std::move(question));
      request.messages.push_back({"assistant", {Part::of_text(texts.at(1).as_string())}});
    }
    request.messages.push_back({"user", {Part::of_text(expected.string("question"))}});
    engine_.media().prepare_with([&](const families::MediaSource&) { return first_image(); });
    findings_.add("multi-turn", "prompt_token_ids",
                  compare_exact(ids_of(request), integers(expected.at("prompt_token_ids"))));
    request.generate.max_new_tokens = expected.positive("max_gen_len");
    engine_.forget();
    const Answer answer = engine_.generate(request, {});
    const std::string text = expected.at("stream").elements().back().string("text");
    findings_.add("multi-turn", "text", compare_exact(answer.text, text));
  }

  // A prompt of which only the end was kept.
  void replay_truncated(const JsonView& expected) {
    const auto ids = integers(expected.at("prompt_token_ids_kept"));
    const modalities::Prepared image = first_image();
    const std::string text = replayer_.compute([&] {
      const Encoded encoded = family_.encode(std::span(&image, 1), nullptr);
      const std::vector<families::Sequence> sequences{replayer_.sequence(ids, &encoded.front())};
      const int64_t media_rows = encoded.front().rows() - 2;
      const int64_t count =
          expected.positive("max_seq_len") - media_rows - static_cast<int64_t>(ids.size());
      Rows rows = rows_of(sequences, /*overlap=*/2);
      std::vector<int64_t> answer;
      Tensor logits = rows.last_logits(rows.prefill());
      while (static_cast<int64_t>(answer.size()) < count) {
        const auto token = logits[0].argmax().item<int64_t>();
        if (token == family_.tokenizer()->eos_id()) break;
        answer.push_back(token);
        logits = rows.last_logits(rows.step({&token, 1}));
      }
      return family_.tokenizer()->decode(answer, true);
    });
    findings_.add("cut prompt", "text",
                  compare_exact(text, expected.at("stream_final").string("text")));
  }

  // Which tokens top-p keeps, and their probabilities.
  void replay_sampling(const JsonView& sampling) {
    const auto logits = case_.find("image.step_logits");
    if (!logits) return;
    for (const JsonView& item : sampling.at("cases").elements()) {
      GenerationConfig config;
      config.temperature = item.number("temperature");
      config.top_p = item.number("top_p");
      Tensor row = logits->value[0][0].clone().contiguous();
      const std::span<float> values(row.data_ptr<float>(), static_cast<size_t>(row.numel()));
      generation::LogitsProcessors(config, {}).apply(values, {}, 0);
      const auto [probabilities, order] = row.softmax(-1).sort(-1, /*descending=*/true);
      const int64_t kept = item.positive("kept");
      const std::string name =
          fmt::format("temperature {}, top-p {}", config.temperature, config.top_p);
      std::vector<int64_t> ids;
      for (int64_t i = 0; i < kept; ++i) ids.push_back(order[i].item<int64_t>());
      findings_.add(name, "kept ids", compare_exact(ids, integers(item.at("token_ids"))));
      std::vector<double> wanted;
      for (const JsonView& value : item.at("probabilities").elements())
        wanted.push_back(value.as_number());
      findings_.add(name, "probabilities",
                    compare(probabilities.narrow(0, 0, kept),
                            {torch::tensor(wanted), kProbabilityTolerance, 0}));
      findings_.add(name, "probability of the others",
                    compare(probabilities.slice(0, kept).sum().unsqueeze(0),
                            {torch::zeros({1}), kProbabilityTolerance, 0}));
    }
  }

  const Case& case_;
  const JsonView& json_;
  const fs::path& folder_;
  Findings& findings_;
  Replayer replayer_;
  Engine& engine_;
  OneLlm& family_;
};

// The logits of the captions of another case, from a checkpoint in several files.
void replay_joined(const Case& golden, const fs::path& model, const fs::path& source,
                   const LoadOptions& options, Findings& findings) {
  Replayer replayer(model.string(), options);
  for (const auto& [key, rows] : golden.json().at("captions").members()) {
    const Tensor inputs = array_of(source / "expect" / (key + ".input.npy"));
    const auto ids = integer_rows(rows);
    const Tensor logits = replayer.compute([&, key = key] {
      std::vector<families::Sequence> sequences;
      int64_t media_rows = 0;
      for (size_t row = 0; row < ids.size(); ++row) {
        const auto prepared = prepared_from(inputs[static_cast<int64_t>(row)], key);
        const auto encoded = replayer.family->encode(std::span(&prepared, 1), nullptr);
        media_rows = encoded.front().rows();
        sequences.push_back(replayer.sequence(ids[row], &encoded.front()));
      }
      return replayer.logits(sequences).slice(1, media_rows);
    });
    const Tensor expected =
        array_of(golden.folder() / "expect" / (key + ".caption_logits_rank0.npy"));
    findings.add(model.filename().string(), key + ".caption_logits",
                 compare(logits, {expected, kJoinedAtol, kJoinedRtol}));
  }
}

// The language model by itself, from Meta's own files.
void replay_llama(const fs::path& model, const fs::path& source, const LoadOptions& options,
                  Findings& findings) {
  const Case original(source);
  Replayer replayer(model.string(), options);
  const auto ids = integer_rows(original.json().at("text_only").at("prompt_token_ids"));
  size_t shortest = ids.front().size();
  for (const auto& row : ids) shortest = std::min(shortest, row.size());
  const Tensor logits = replayer.compute([&] {
    std::vector<families::Sequence> rows;
    for (const auto& row : ids)
      rows.push_back(replayer.sequence(
          {row.begin(), row.begin() + static_cast<std::ptrdiff_t>(shortest)}, nullptr));
    return replayer.logits(rows).slice(1, -1).squeeze(1);
  });
  auto expected = original.find("text.step_logits");
  if (!expected) return;
  expected->value = expected->value[0];
  findings.add(model.filename().string(), "text.step_logits", compare(logits, *expected));
}

}  // namespace

void verify_onellm(const Case& golden, const std::string& model, const LoadOptions& options,
                   Findings& findings) {
  if (golden.json().contains("modalities")) {
    OneLlmVerifier(golden, model.empty() ? (golden.folder() / "model").string() : model, options,
                   findings)
        .run();
    return;
  }
  const fs::path source = golden.folder().parent_path() / "tiny";
  for (const char* name : {"model", "model_split"})
    if (const fs::path own = golden.folder() / name; fs::exists(own))
      replay_joined(golden, own, source, options, findings);
  if (const fs::path llama = golden.folder() / "model_llama"; fs::exists(llama))
    replay_llama(llama, source, options, findings);
}

}  // namespace isthmus::engine
