#include "against.h"

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "../progress.h"
#include "engine/load.h"
#include "families/flamingo/flamingo.h"
#include "families/llava/llava.h"
#include "families/onellm/onellm.h"
#include "families/registry.h"
#include "isthmus/error.h"
#include "training/agreement.h"

namespace isthmus::cli {
namespace {

constexpr int64_t kSamples = 60;

recipe::DataEntry world(std::string kind, std::string conversation_template,
                        std::string modality = "image") {
  recipe::DataEntry entry;
  entry.type = "world";
  entry.kind = std::move(kind);
  entry.split = "test";
  entry.modality = std::move(modality);
  entry.conversation_template = std::move(conversation_template);
  entry.side = 160;
  return entry;
}

// Drawn scenes, asked about in the way of the family.
std::vector<recipe::DataEntry> drawn_data(families::Family& family) {
  if (dynamic_cast<families::llava::Llava*>(&family) != nullptr)
    return {world("questions", "v1"), world("plain", "plain")};
  if (const auto* onellm = dynamic_cast<families::onellm::OneLlm*>(&family)) {
    std::vector<recipe::DataEntry> data;
    for (const auto& modality : onellm->model().config.modalities)
      data.push_back(world("questions", "", modality.name));
    return data;
  }
  if (dynamic_cast<families::flamingo::Flamingo*>(&family) != nullptr) {
    std::vector<recipe::DataEntry> data = {world("pictures", "interleaved"), world("shots", "")};
    data.back().max_media = 9;
    return data;
  }
  throw UnsupportedError("eval --against: a language model alone is asked nothing about media");
}

recipe::DataEntry conversations(const eval::TaskFiles& files) {
  if (files.test.size() != 1)
    throw UsageError("eval --against: --data takes one file of conversations");
  recipe::DataEntry entry;
  entry.type = "conversations";
  entry.path = files.test.front();
  entry.media = files.images;
  return entry;
}

nlohmann::ordered_json to_json(const training::Agreement& a) {
  return {{"data", a.data},
          {"tokens", a.tokens},
          {"same_choice", a.choice_share()},
          {"kl_mean", a.mean_kl},
          {"kl_99", a.high_kl},
          {"kl_largest", a.largest_kl},
          {"answers", a.answers},
          {"exact", a.exact},
          {"reference_exact", a.reference_exact},
          {"margin", a.margin},
          {"reference_margin", a.reference_margin}};
}

std::string line_of(const training::Agreement& a) {
  const auto percent = [&](int64_t count) {
    return 100.0 * static_cast<double>(count) /
           static_cast<double>(std::max<int64_t>(a.answers, 1));
  };
  return fmt::format(
      "{:<32} {:>6} {:>9.2f} {:>9.2g} {:>9.2g} {:>9.2g} {:>7.1f} {:>7.1f} {:>7.2f} {:>7.2f}\n",
      a.data, a.tokens, 100 * a.choice_share(), a.mean_kl, a.high_kl, a.largest_kl,
      percent(a.exact), percent(a.reference_exact), a.margin, a.reference_margin);
}

}  // namespace

int eval_against(const Options& options) {
  engine::prepare_arithmetic(options.load);
  const std::string& against = options.eval.against;
  const bool same_model = is_storage(against);
  LoadOptions reference = options.load;
  reference.decoder_storage = reference.encoder_storage = reference.aligner_storage =
      same_model ? against : "stored";
  const std::string& other = same_model ? options.model : against;
  const auto load_reference = [&] {
    return families::load_family(other, same_model ? options.base : "", "", reference);
  };

  recipe::HeldOut choice;
  choice.samples = options.eval.limit > 0 ? options.eval.limit : kSamples;
  choice.batch = options.eval.batch;
  // Told by what is loaded first.
  std::shared_ptr<families::Family> first = load_reference();
  if (options.eval.tasks.empty())
    choice.data = drawn_data(*first);
  else
    choice.data = {conversations(options.eval.tasks.front().files)};
  Progress progress("eval", static_cast<int64_t>(2 * choice.data.size()));
  const std::vector<training::Agreement> found = training::agreement_of(
      [&] { return std::move(first); },
      [&] { return families::load_family(options.model, options.base, "", options.load); }, choice,
      [&](int64_t, int64_t) { progress.advance(); });
  progress.finish();
  if (options.json) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const training::Agreement& agreement : found) all.push_back(to_json(agreement));
    std::cout << all.dump(1) << "\n";
    return 0;
  }
  std::cout << fmt::format("{:<32} {:>6} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7} {:>7} {:>7}\n",
                           "teacher-forced answers of", "tokens", "same, %", "KL", "KL 99 %",
                           "KL max", "exact %", "ref. %", "margin", "ref.");
  for (const training::Agreement& agreement : found) std::cout << line_of(agreement);
  return 0;
}

}  // namespace isthmus::cli
