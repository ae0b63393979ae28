#include "recipe/comparison.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"
#include "recipe/tree.h"
#include "recipe/yaml_view.h"

namespace isthmus::recipe {
namespace {

constexpr const char* kXattn = "resampler+xattn";

// What an aligner may have of its own: how it learns, not how much or from what.
constexpr std::array<const char*, 4> kOwnStageKeys = {"groups", "optimizer", "schedule",
                                                      "clip_norm"};

struct Choice {
  std::string key;  // below `compare`, where the aligner's own name is not there
  YAML::Node fresh{YAML::NodeType::Map};
  std::string conversation_template = {};  // "": the family has but one
};

Choice projector(const std::string& key, const std::string& type) {
  Choice choice{.key = key};
  choice.fresh["kind"] = "projector";
  choice.fresh["projector"] = type;
  choice.fresh["select_layer"] = -1;
  choice.conversation_template = "v1";
  return choice;
}

// The N of mlpNx, or 0.
int depth_of(std::string_view name) {
  const bool fits = name.size() == 5 && name.starts_with("mlp") && name[4] == 'x' &&
                    name[3] >= '2' && name[3] <= '9';
  return fits ? name[3] - '0' : 0;
}

Choice choice_of(const std::string& name) {
  if (name == "linear") return projector(name, "linear");
  if (name == "mlp") return projector(name, "mlp2x_gelu");
  if (const int depth = depth_of(name); depth > 0)
    return projector("mlp", fmt::format("mlp{}x_gelu", depth));
  Choice choice{.key = name};
  if (name == kXattn) {
    choice.fresh["kind"] = "gated_cross_attention";
    choice.conversation_template = "vqa";
    return choice;
  }
  if (name == "upm") {
    choice.fresh["kind"] = "universal_projection";
    choice.fresh["modalities"].push_back("image");
    return choice;
  }
  std::vector<std::string> known = default_aligners();
  known.emplace_back("mlp3x");
  throw UsageError(
      fmt::format("--aligners: there is no aligner \"{}\"{}", name, hint(name, known)));
}

// What the library gives for an absent key throws at every question.
YAML::Node found(const YAML::Node& node, const std::string& key) {
  if (!node.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
  const YAML::Node value = node[key];
  return value.IsDefined() ? value : YAML::Node(YAML::NodeType::Undefined);
}

// Of every key that stands in `own`, its value in place of the one in `node`.
void lay_over(YAML::Node node, const YAML::Node& own) {
  for (const auto& entry : own) node[entry.first.Scalar()] = entry.second;
}

class Derivation {
 public:
  Derivation(const std::filesystem::path& file, YAML::Node root)
      : root_(std::move(root)), complaints_(file.string()) {}

  // What is wrong whichever aligner it is.
  void check() {
    MapView map(root_, "", complaints_);
    const YAML::Node stages = map.at("stages");
    if (!stages.IsSequence() || stages.size() != 1 || !stages[0].IsMap())
      map.complain("stages", "a comparison has one stage");
    if (const YAML::Node model = map.at("model"); model.IsMap()) {
      MapView parts(model, "model.", complaints_);
      parts.at("base");
      parts.at("vision");
      if (parts.find("path").IsDefined())
        parts.complain("path", "a comparison begins with base and vision");
    }
    if (const YAML::Node compare = map.find("compare"); compare.IsDefined()) {
      MapView own(compare, "compare.", complaints_);
      for (const std::string& name : default_aligners()) own.find(name);
      for (int depth = 2; depth <= 9; ++depth) own.find(fmt::format("mlp{}x", depth));
      own.finish();
    }
    complaints_.raise();
    check_stage(root_["stages"][0]);
    complaints_.raise();
  }

  Contestant contestant(const std::string& aligner, const std::filesystem::path& file) {
    Choice choice = choice_of(aligner);
    YAML::Node stage = root_["stages"][0];
    apply_own(aligner, choice, stage);
    complaints_.raise();
    root_.remove("compare");
    root_["model"]["fresh"] = choice.fresh;
    const YAML::Node given = found(root_, "name");
    const std::string name = given.IsDefined() ? given.Scalar() : file.stem().string();
    root_["name"] = fmt::format("{}: {}", name, aligner);
    if (!found(stage, "dtype").IsDefined()) stage["dtype"] = "f32";
    for_each_entry(stage, [&](YAML::Node entry) { make_common(entry, choice); });
    return {name, aligner, recipe_of(root_, file)};
  }

 private:
  template <typename Use>
  static void for_each_entry(const YAML::Node& stage, const Use& use) {
    for (const YAML::Node& list : {found(stage, "data"), found(found(stage, "held_out"), "data")})
      for (size_t i = 0; list.IsSequence() && i < list.size(); ++i)
        if (list[i].IsMap()) use(list[i]);
  }

  void check_stage(const YAML::Node& stage) {
    const YAML::Node trainable = found(stage, "trainable");
    const bool whole = trainable.IsSequence() && trainable.size() == 1 && trainable[0].IsScalar() &&
                       trainable[0].Scalar() == "aligner.*";
    if (!whole)
      complaints_.add(
          stage, "stages[0].trainable: a comparison trains whole aligners alone: [\"aligner.*\"]");
    if (found(stage, "lora").IsDefined())
      complaints_.add(stage, "stages[0].lora: a comparison leaves all but the aligner as it is");
    const YAML::Node held_out = found(found(stage, "held_out"), "data");
    if (!held_out.IsSequence() || held_out.size() != 1)
      complaints_.add(stage, "stages[0].held_out: a comparison has one data set held out");
    const auto is_one_of = [](const YAML::Node& value, const std::set<std::string>& words) {
      return value.IsScalar() && words.contains(value.Scalar());
    };
    for_each_entry(stage, [&](const YAML::Node& entry) {
      const bool usable = is_one_of(found(entry, "type"), {"conversations", "captions", "pairs"}) ||
                          (is_one_of(found(entry, "type"), {"world"}) &&
                           is_one_of(found(entry, "kind"), {"questions", "captions", "plain"}));
      if (!usable)
        complaints_.add(entry,
                        "not every family learns from this: expected conversations, captions, "
                        "pairs, or of the world questions, captions, plain");
      const YAML::Node modality = found(entry, "modality");
      if (modality.IsDefined() && !is_one_of(modality, {"image"}))
        complaints_.add(entry, "modality: only pictures can be compared");
    });
  }

  // `compare.NAME`, key by key.
  void apply_own(const std::string& aligner, Choice& choice, YAML::Node& stage) {
    const YAML::Node compare = found(root_, "compare");
    const std::string key = found(compare, aligner).IsDefined() ? aligner : choice.key;
    const YAML::Node own = found(compare, key);
    if (!own.IsDefined()) return;
    MapView map(own, fmt::format("compare.{}.", key), complaints_);
    if (const YAML::Node fresh = map.find("fresh"); fresh.IsDefined()) {
      MapView sizes(fresh, map.path() + "fresh.", complaints_);
      for (const char* fixed : {"kind", "projector"})
        if (sizes.find(fixed).IsDefined()) sizes.complain(fixed, "follows from the aligner's name");
      if (sizes.find("tower").IsDefined())
        sizes.complain("tower", "all aligners read the same encoder");
      lay_over(choice.fresh, fresh);
    }
    map.read("template", choice.conversation_template);
    for (const char* stage_key : kOwnStageKeys)
      if (const YAML::Node value = map.find(stage_key); value.IsDefined()) stage[stage_key] = value;
    map.finish();
  }

  static void make_common(YAML::Node entry, const Choice& choice) {
    constexpr int kLongest = 2048;  // tokens: no family cuts what another sees
    if (!found(entry, "max_length").IsDefined()) entry["max_length"] = kLongest;
    // A template that the recipe names is LLaVA's.
    const bool is_projector = choice.fresh["kind"].Scalar() == "projector";
    if (is_projector && found(entry, "template").IsDefined()) return;
    entry.remove("template");
    if (!choice.conversation_template.empty()) entry["template"] = choice.conversation_template;
  }

  YAML::Node root_;
  Complaints complaints_;
};

}  // namespace

const std::vector<std::string>& default_aligners() {
  static const std::vector<std::string> names = {"linear", "mlp", kXattn, "upm"};
  return names;
}

std::vector<Contestant> load_comparison(const std::filesystem::path& file,
                                        const std::vector<std::string>& aligners,
                                        const std::vector<std::string>& sets) {
  std::set<std::string> seen;
  for (const std::string& name : aligners) {
    choice_of(name);
    if (!seen.insert(name).second)
      throw UsageError(fmt::format("--aligners: \"{}\" is named twice", name));
  }
  if (aligners.empty()) throw UsageError("--aligners: there is none");
  Derivation(file, read_tree(file, sets)).check();
  // Each from a tree of its own: nodes are shared, and keep the lines that complaints name.
  std::vector<Contestant> contestants;
  for (const std::string& name : aligners)
    contestants.push_back(Derivation(file, read_tree(file, sets)).contestant(name, file));
  return contestants;
}

}  // namespace isthmus::recipe
