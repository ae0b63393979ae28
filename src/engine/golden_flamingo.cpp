// Golden cases of OpenFlamingo: the whole padded batch, stage by stage; then generation, ranking
// and loss.
#include <algorithm>

#include "engine/answering.h"
#include "engine/golden_case.h"
#include "engine/load.h"
#include "families/family.h"

namespace isthmus::engine {
namespace {

constexpr double kLogProbTolerance = 5e-4;       // README of media_masking
constexpr double kFlamingoLossTolerance = 1e-3;  // that of the logits it is made of

std::vector<std::filesystem::path> paths(const JsonView& list,
                                         const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const JsonView& file : list.elements()) files.push_back(folder / file.as_string());
  return files;
}

Request request_of(const std::string& prompt, const std::vector<std::filesystem::path>& images) {
  static const std::vector<std::string> kTokens{"<image>", "<|endofchunk|>", "<|endoftext|>"};
  size_t next_image = 0;
  Request request;
  request.prompt = split_at_markers(prompt, images, next_image, kTokens);
  request.generate.quirks["marker_without_image_reads_all"] = true;
  return request;
}

std::vector<Request> requests_of(const JsonView& prompts, const JsonView& images,
                                 const std::filesystem::path& folder) {
  std::vector<Request> requests;
  const auto texts = prompts.elements();
  const auto lists = images.elements();
  for (size_t i = 0; i < texts.size(); ++i)
    requests.push_back(request_of(texts[i].as_string(), paths(lists.at(i), folder)));
  return requests;
}

GenerationConfig settings_of(const JsonView& json) {
  GenerationConfig config;
  config.max_new_tokens = json.positive("max_new_tokens");
  config.min_new_tokens = json.integer("min_new_tokens", 0);
  config.num_beams = json.positive("num_beams", 1);
  config.length_penalty = json.number("length_penalty", 1.0);
  return config;
}

Expectation scores_of(const JsonView& table) {
  std::vector<Tensor> rows;
  for (const JsonView& row : table.elements()) {
    std::vector<double> values;
    for (const JsonView& value : row.elements()) values.push_back(value.as_number());
    rows.push_back(torch::tensor(values, torch::kFloat64));
  }
  return {torch::stack(rows), kLogProbTolerance, 0};
}

Tensor as_tensor(const std::vector<std::vector<double>>& table) {
  std::vector<Tensor> rows;
  for (const auto& row : table) rows.push_back(torch::tensor(row, torch::kFloat64));
  return torch::stack(rows);
}

class FlamingoVerifier {
 public:
  FlamingoVerifier(const Case& golden, const std::string& model, const LoadOptions& options,
                   Findings& findings)
      : case_(golden),
        json_(golden.json()),
        folder_(golden.folder()),
        model_(model.empty() ? (folder_ / "model").string() : model),
        options_(options),
        findings_(findings),
        engine_(load_engine(model_, "", "", options)) {}

  void run() {
    if (json_.contains("prompts")) {
      requests_ = requests_of(json_.at("prompts"), json_.at("images"), folder_);
      check_pixels();
      replay_stages();
      replay_generations();
    }
    if (const auto items = json_.find("items"))
      for (const JsonView& item : items->elements()) replay_masking(item);
    if (const auto rank = json_.find("rank_classification")) replay_ranking(*rank);
    if (json_.contains("cached_continuation")) replay_cached_media();
  }

 private:
  // Rows of padding are zero in the files.
  Tensor real_rows(const Tensor& batch, const Engine::Pass& pass) const {
    Tensor out = torch::zeros_like(batch);
    for (size_t row = 0; row < pass.real.size(); ++row) {
      const auto& [begin, end] = pass.real[row];
      const auto b = static_cast<int64_t>(row);
      out[b].narrow(0, begin, end - begin).copy_(batch[b].narrow(0, begin, end - begin));
    }
    return out;
  }

  // The pictures of the batch among those of the file, which fills missing ones with zeros.
  // `per_sample`: of how many pictures of each sample the file tells; `flat`: batch and pictures
  // are one dimension.
  void add_pictures(const Engine::Pass& pass, const std::string& stage, const Tensor& found,
                    int64_t per_sample, bool flat) {
    auto expected = case_.find(stage);
    if (!expected) return;
    const Tensor& file = expected->value;
    const int64_t stride =
        flat ? file.size(0) / static_cast<int64_t>(pass.media.size()) : file.size(1);
    std::vector<Tensor> ours, theirs;
    int64_t next = 0;
    for (size_t row = 0; row < pass.media.size(); ++row) {
      const auto count = static_cast<int64_t>(pass.media[row].size());
      for (int64_t i = 0; i < count; ++i, ++next) {
        if (i >= std::min(per_sample, stride)) continue;
        const auto b = static_cast<int64_t>(row);
        ours.push_back(found[next]);
        theirs.push_back((flat ? file[b * stride + i] : file[b][i]).reshape(found[next].sizes()));
      }
    }
    expected->value = torch::stack(theirs);
    findings_.add("batch", stage, compare(torch::stack(ours), *expected));
  }

  // Decoders of JPEG differ by a level here and there, which the case allows for pixels but not for
  // what follows from them: the stages after this one start from the pixels the reference saw.
  void check_pixels() {
    auto expected = case_.find("pixel_values");
    if (!expected) return;
    const MediaLoader::Preparer prepare = [this](const families::MediaSource& source) {
      return engine_->family().prepare(source);
    };
    std::vector<Tensor> ours, theirs;
    std::map<std::filesystem::path, Tensor> seen;
    for (size_t row = 0; row < requests_.size(); ++row) {
      int64_t i = 0;
      for (const Part& part : requests_[row].prompt) {
        if (part.type != Part::Type::kMedia) continue;
        const auto prepared = prepare({&part, part.path.string()});
        ours.push_back(torch::tensor(prepared.values).view(prepared.shape));
        theirs.push_back(
            expected->value[static_cast<int64_t>(row)][i++].reshape(ours.back().sizes()).clone());
        seen[part.path] = theirs.back();
      }
    }
    expected->value = torch::cat(theirs, 0);
    const StageResult result = compare(torch::cat(ours, 0), *expected);
    findings_.add("batch", "pixel_values", result);
    if (!result.agrees) return;
    engine_->media().prepare_with([prepare, seen](const families::MediaSource& source) {
      modalities::Prepared prepared = prepare(source);
      if (const auto own = seen.find(source.part->path); own != seen.end()) {
        const float* values = own->second.data_ptr<float>();
        prepared.values.assign(values, values + own->second.numel());
      }
      return prepared;
    });
  }

  void replay_stages() {
    StageProbe probe;
    const Engine::Pass pass = engine_->forward_batch(requests_, families::Padding::kLeft, &probe);
    add_integers(pass);

    std::vector<Tensor> features, latents;
    for (const auto& row : pass.media)
      for (const auto& medium : row) {
        features.push_back(medium->encoded.features);
        latents.push_back(medium->encoded.memory->latents.unsqueeze(0));
      }
    constexpr int64_t kAll = INT64_MAX;
    add_pictures(pass, "vit_ln_pre", probe.at("encoder.hidden.0"), kAll, true);
    add_pictures(pass, "vit_block0", probe.at("encoder.hidden.1"), kAll, true);
    add_pictures(pass, "vision_tokens", torch::cat(features, 0), kAll, false);
    replay_ln_post(pass);
    if (probe.has("aligner.resampler.layers.0.attention"))
      add_pictures(pass, "perceiver_attn0", probe.at("aligner.resampler.layers.0.attention"), 2,
                   false);
    add_pictures(pass, "resampler_out", torch::cat(latents, 0), kAll, false);

    const auto add_rows = [&](const std::string& stage, const std::string& ours) {
      if (!case_.find(stage)) return;
      if (!probe.has(ours)) {
        findings_.add_missing("batch", stage, "this model has no such stage");
        return;
      }
      findings_.add(case_, "batch", stage, real_rows(probe.at(ours), pass));
    };
    const int64_t layers = engine_->family().language_model().cache_geometry().num_hidden_layers;
    for (int64_t layer = 0; layer < layers; ++layer) {
      add_rows(fmt::format("hidden{}", layer), fmt::format("decoder.hidden.{}", layer));
      const std::string block = fmt::format("aligner.cross_attention.{}", layer);
      const std::string gated = fmt::format("gated{}", layer);
      add_rows(gated + "_in", block + ".input");
      add_rows(gated + "_attn", block + ".attention");
      add_rows(gated + "_ff", block + ".feed_forward");
      add_rows(gated + "_out", block + ".output");
    }
    add_rows(fmt::format("hidden{}", layers), "decoder.last_block");
    findings_.add(case_, "batch", "logits", real_rows(pass.logits, pass));
    add_loss(pass);
  }

  void add_integers(const Engine::Pass& pass) {
    const auto masks = json_.at("attention_mask").elements();
    const auto rows = json_.at("input_ids").elements();
    const int64_t marker = engine_->family().media_marker();
    std::vector<Tensor> locations, times, real;
    for (size_t row = 0; row < pass.ids.size(); ++row) {
      const auto mask = integers(masks.at(row)), padded = integers(rows.at(row));
      std::vector<int64_t> expected;
      for (size_t i = 0; i < padded.size(); ++i)
        if (mask[i] != 0) expected.push_back(padded[i]);
      findings_.add(fmt::format("row {}", row), "input_ids",
                    compare_exact(pass.ids[row], expected));
      const Tensor at = torch::zeros({static_cast<int64_t>(padded.size())});
      const Tensor seen = torch::zeros_like(at);
      for (size_t i = 0; i < pass.ids[row].size(); ++i) {
        const auto t = pass.real[row].begin + static_cast<int64_t>(i);
        if (t >= at.size(0)) break;
        at[t] = pass.ids[row][i] == marker ? 1 : 0;
        seen[t] = 1;
      }
      locations.push_back(at);
      times.push_back(at.cumsum(0));
      real.push_back(seen);
    }
    findings_.add(case_, "batch", "media_locations", torch::stack(locations));
    findings_.add(case_, "batch", "text_time", torch::stack(times));
    findings_.add(case_, "batch", "attention_mask", torch::stack(real));
  }

  // What open_clip 2.23 and later hand over: an option of loading.
  void replay_ln_post(const Engine::Pass& pass) {
    if (!case_.find("vision_tokens_lnpost")) return;
    LoadOptions options = options_;
    options.vision_ln_post = true;
    const auto engine = load_engine(model_, "", "", options);
    std::vector<Tensor> features;
    for (const auto& row : pass.media)
      for (const auto& medium : row)
        features.push_back(
            engine->family().encode(std::span(&medium->prepared, 1), nullptr).front().features);
    add_pictures(pass, "vision_tokens_lnpost", torch::cat(features, 0), INT64_MAX, false);
  }

  // Mean cross-entropy of what follows a real token, but for the markers.
  void add_loss(const Engine::Pass& pass) {
    if (!json_.contains("loss_valid_pairs")) return;
    const Tensor log_probs = pass.logits.to(torch::kFloat64).log_softmax(-1);
    double sum = 0;
    int64_t count = 0;
    for (size_t row = 0; row < pass.ids.size(); ++row)
      for (size_t i = 0; i + 1 < pass.ids[row].size(); ++i) {
        const int64_t target = pass.ids[row][i + 1];
        if (target == engine_->family().media_marker()) continue;
        const auto t = pass.real[row].begin + static_cast<int64_t>(i);
        sum -= log_probs[static_cast<int64_t>(row)][t][target].item<double>();
        ++count;
      }
    const Expectation expected{torch::tensor({json_.number("loss_valid_pairs")}, torch::kFloat64),
                               kFlamingoLossTolerance, 0};
    const auto mean = torch::tensor({sum / static_cast<double>(count)}, torch::kFloat64);
    findings_.add("batch", "loss", compare(mean, expected));
  }

  void replay_generations() {
    const auto all = json_.find("generations");
    if (!all) return;
    for (const JsonView& generation : all->elements()) {
      const JsonView settings = generation.at("settings");
      for (Request& request : requests_) {
        const auto quirks = request.generate.quirks;
        request.generate = settings_of(settings);
        request.generate.quirks = quirks;
      }
      const std::string name =
          fmt::format("{} beams, length penalty {}", requests_.front().generate.num_beams,
                      requests_.front().generate.length_penalty);
      const auto answers = engine_->generate_batch(requests_);
      const auto ids = generation.at("new_tokens").elements();
      for (size_t row = 0; row < answers.size(); ++row) {
        const std::string stage = fmt::format("row {}, ", row);
        // The batch is filled up to its longest answer.
        const auto expected = integers(ids.at(row));
        auto found = answers[row].output_ids;
        found.resize(std::max(found.size(), expected.size()), engine_->family().pad_id());
        findings_.add(name, stage + "output_ids", compare_exact(found, expected));
        const auto raw = engine_->family().tokenizer()->decode(found, false);
        findings_.add(
            name, stage + "text",
            compare_exact(answers[row].text,
                          generation.at("text_skip_special").elements().at(row).as_string()));
        findings_.add(name, stage + "raw text",
                      compare_exact(raw, generation.at("text_raw").elements().at(row).as_string()));
      }
    }
  }

  void replay_masking(const JsonView& item) {
    const std::string name = item.string("name");
    StageProbe probe;
    const auto requests = requests_of(item.at("prompts"), item.at("images"), folder_);
    const Engine::Pass pass = engine_->forward_batch(requests, families::Padding::kLeft, &probe);
    const auto ids = item.at("input_ids").elements();
    for (size_t row = 0; row < pass.ids.size(); ++row)
      findings_.add(name, fmt::format("row {}, input_ids", row),
                    compare_exact(pass.ids[row], integers(ids.at(row))));
    for (int64_t layer = 0;; ++layer) {
      const std::string attention = fmt::format("aligner.cross_attention.{}.attention", layer);
      if (!probe.has(attention)) continue;
      findings_.add(case_, name, name + "_xattn", real_rows(probe.at(attention), pass));
      break;
    }
    findings_.add(case_, name, name + "_logits", real_rows(pass.logits, pass));
  }

  void replay_ranking(const JsonView& rank) {
    std::vector<std::string> names;
    for (const JsonView& name : rank.at("class_names").elements())
      names.push_back(name.as_string());
    if (const auto context = rank.find("context")) {
      const Request request = request_of(context->as_string(), paths(rank.at("images"), folder_));
      findings_.add("ranking", "log_probs",
                    compare(as_tensor(engine_->rank(std::span(&request, 1), names)),
                            scores_of(rank.at("uncached"))));
      return;
    }
    // Quirk: the reference's cached ranking lets padding be seen; the uncached one is right.
    const auto requests = requests_of(rank.at("contexts"), rank.at("images"), folder_);
    const JsonView results = rank.at("results");
    findings_.add(
        "ranking", "log_probs",
        compare(as_tensor(engine_->rank(requests, names)), scores_of(results.at("uncached"))));
    findings_.add(
        "ranking", "sums of a single context",
        compare(as_tensor(engine_->rank(std::span(requests).first(1), names,
                                        {.normalize_length = false})),
                {scores_of(results.at("cached_sum")).value.slice(0, 0, 1), kLogProbTolerance, 0}));
    findings_.add("ranking", "log_probs of a single context",
                  compare(as_tensor(engine_->rank(std::span(requests).first(1), names)),
                          scores_of(results.at("single_cached"))));
  }

  // The media of the first ranking context, and text that follows without a marker of its own.
  void replay_cached_media() {
    const JsonView rank = json_.at("rank_classification");
    const auto requests = requests_of(rank.at("contexts"), rank.at("images"), folder_);
    const families::Sequence context = engine_->sequence(requests.front());
    const auto ids = integers(json_.at("cached_continuation").at("ids"));
    families::Family& family = engine_->family();
    decoders::LanguageModel& model = family.language_model();
    const ArithmeticMode mode(options_.composed);
    const auto step_by_step = [&](const std::vector<int64_t>& tokens) {
      Rows rows(family, std::span(&context, 1), family.new_cache(1, family.context_length()),
                families::LateMarker::kResets);
      rows.prefill();
      std::vector<Tensor> logits;
      for (const int64_t token : tokens) logits.push_back(rows.last_logits(rows.step({&token, 1})));
      return torch::cat(logits, 0).unsqueeze(0);
    };
    findings_.add(case_, "cached media", "cached_step_logits", step_by_step(ids));

    families::Sequence text;
    text.embeddings = model.embed_tokens(torch::tensor(ids, torch::kInt64));
    text.row_keys = ids;
    text.media = context.media;
    text.media_index.assign(ids.size(), context.media_index.back());
    const families::Batch batch =
        families::pad_batch(std::span(&text, 1), families::Padding::kLeft);
    nn::ForwardContext call;
    call.positions = batch.positions;
    call.hook = family.block_hook();
    call.media = &batch.media;
    findings_.add(case_, "cached media", "cached_text_only_logits",
                  model.logits(model.forward(batch.embeddings, call)));
    findings_.add(case_, "cached media", "image_token_while_decoding_logits",
                  step_by_step(integers(json_.at("image_token_sequence"))));
  }

  const Case& case_;
  const JsonView& json_;
  const std::filesystem::path& folder_;
  const std::string model_;
  const LoadOptions& options_;
  Findings& findings_;
  std::unique_ptr<Engine> engine_;
  std::vector<Request> requests_;
};

}  // namespace

void verify_flamingo(const Case& golden, const std::string& model, const LoadOptions& options,
                     Findings& findings) {
  FlamingoVerifier(golden, model, options, findings).run();
}

}  // namespace isthmus::engine
