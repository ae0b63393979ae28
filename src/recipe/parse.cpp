#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"
#include "recipe/recipe.h"
#include "recipe/tree.h"
#include "recipe/yaml_view.h"
#include "samples/shards.h"

namespace isthmus::recipe {
namespace {

namespace fs = std::filesystem;

class Parser {
 public:
  Parser(const fs::path& file, Complaints& complaints) : file_(file), complaints_(complaints) {}

  Recipe parse(const YAML::Node& root) {
    Recipe recipe;
    recipe.file = file_;
    MapView map(root, "", complaints_);
    recipe.name = file_.stem().string();
    map.read("name", recipe.name);
    if (const YAML::Node model = map.at("model"); model.IsDefined()) recipe.model = model_of(model);
    const YAML::Node stages = map.at("stages");
    if (stages.IsDefined() && !stages.IsSequence()) map.complain("stages", "expected a list");
    for (size_t i = 0; stages.IsSequence() && i < stages.size(); ++i)
      recipe.stages.push_back(stage_of(stages[i], fmt::format("stages[{}].", i)));
    if (stages.IsSequence() && stages.size() == 0) map.complain("stages", "is empty");
    if (map.find("compare").IsDefined())
      map.complain("compare", "this recipe leaves the aligner open; it is for isthmus compare");
    map.finish();
    return recipe;
  }

 private:
  ModelSource model_of(const YAML::Node& node) {
    ModelSource model;
    MapView map(node, "model.", complaints_);
    map.read("path", model.path);
    map.read("base", model.base);
    map.read("vision", model.vision);
    if (const YAML::Node fresh = map.find("fresh"); fresh.IsDefined())
      model.fresh = fresh_of(fresh);
    if (model.path.empty() && !model.fresh)
      complaints_.add(node, "model: expected either path or fresh");
    if (!model.path.empty() && model.fresh && model.fresh->kind != "universal_projection")
      complaints_.add(node,
                      "model: expected either path or fresh; only a universal_projection grows");
    if (model.path.empty() && model.fresh && model.base.empty() &&
        model.fresh->kind != "language_model")
      complaints_.add(node, "model.base is missing: a fresh aligner needs a language model");
    for (std::string* place : {&model.path, &model.base, &model.vision}) *place = resolved(*place);
    map.finish();
    return model;
  }

  FreshAligner fresh_of(const YAML::Node& node) {
    FreshAligner fresh;
    MapView own(node, "model.fresh.", complaints_);
    own.read("kind", fresh.kind,
             {"projector", "gated_cross_attention", "universal_projection", "language_model"});
    if (fresh.kind == "projector" || fresh.kind == "universal_projection")
      own.read("token_scale", fresh.token_scale, 0);
    if (fresh.kind == "projector") {
      own.read("projector", fresh.projector);
      own.read("select_layer", fresh.select_layer);
      own.read("select_feature", fresh.select_feature, {"patch", "cls_patch"});
      own.read("aspect_ratio", fresh.aspect_ratio, {"square", "pad", "anyres"});
      if (const YAML::Node tower = own.find("tower"); tower.IsDefined())
        fresh.tower = tower_of(tower);
    } else if (fresh.kind == "language_model") {
      read_language_model(own, fresh.language_model);
    } else {
      own.read("resampler_layers", fresh.resampler_layers, 0);
    }
    if (fresh.kind == "gated_cross_attention") {
      own.read("cross_attn_every_n_layers", fresh.cross_attn_every_n_layers, 1);
      own.read("resampler_heads", fresh.resampler_heads, 0);
      own.read("latents", fresh.latents, 0);
      own.read("cross_attention_heads", fresh.cross_attention_heads, 0);
      own.read("feed_forward", fresh.feed_forward, 0);
      own.read("gate", fresh.gate);
    }
    if (fresh.kind == "universal_projection") {
      own.at("modalities");
      read_list(own, "modalities", fresh.modalities, "expected a list of modalities");
      own.read("experts", fresh.experts, 1);
      own.read("resampler_width", fresh.resampler_width, 0);
      const YAML::Node sizes = own.find("sizes");
      for (auto entry = sizes.begin(); sizes.IsMap() && entry != sizes.end(); ++entry) {
        MapView size(sizes, own.path() + "sizes.", complaints_);
        auto& values = fresh.sizes[entry->first.Scalar()];
        if (entry->second.IsScalar()) {
          int64_t value = 0;
          size.read(entry->first.Scalar(), value, 1);
          values = {value};
        } else {
          read_list(size, entry->first.Scalar(), values, "expected a number, or a list of them");
        }
      }
    }
    own.finish();
    return fresh;
  }

  FreshTower tower_of(const YAML::Node& node) {
    FreshTower tower;
    MapView own(node, "model.fresh.tower.", complaints_);
    own.read("hidden_size", tower.hidden_size, 1);
    own.read("intermediate_size", tower.intermediate_size, 1);
    own.read("layers", tower.layers, 1);
    own.read("heads", tower.heads, 1);
    own.read("image_size", tower.image_size, 1);
    own.read("patch_size", tower.patch_size, 1);
    own.finish();
    return tower;
  }

  void read_language_model(MapView& own, FreshLanguageModel& model) {
    std::string pieces;
    own.at("pieces");
    own.read("pieces", pieces);
    model.pieces = file_.parent_path() / pieces;
    own.read("hidden_size", model.hidden_size, 1);
    own.read("intermediate_size", model.intermediate_size, 1);
    own.read("layers", model.layers, 1);
    own.read("heads", model.heads, 1);
    own.read("context", model.context, 1);
    own.read("rope_theta", model.rope_theta, 0);
    own.read("previous_token_heads", model.previous_token_heads);
  }

  template <typename T>
  void read_list(MapView& map, const std::string& key, std::vector<T>& values,
                 const char* expected) {
    const YAML::Node list = map.find(key);
    if (!list.IsDefined()) return;
    try {
      values = list.as<std::vector<T>>();
    } catch (const YAML::Exception&) {
      map.complain(key, expected);
    }
  }

  // A name of a model stays a name; a path that exists beside the recipe is taken from there.
  std::string resolved(const std::string& place) const {
    if (place.empty()) return place;
    const fs::path beside = file_.parent_path() / place;
    return fs::exists(beside) ? fs::weakly_canonical(beside).string() : place;
  }

  std::vector<Pattern> patterns_of(const YAML::Node& list, MapView& map) {
    std::vector<Pattern> patterns;
    if (!list.IsSequence()) {
      if (list.IsDefined()) map.complain("trainable", "expected a list of patterns");
      return patterns;
    }
    for (const YAML::Node& entry : list) {
      Pattern& pattern = patterns.emplace_back();
      if (entry.IsScalar()) {
        pattern.match = entry.Scalar();
        continue;
      }
      MapView own(entry, map.path() + "trainable.", complaints_);
      own.read("match", pattern.match);
      read_list(own, "rows", pattern.rows, "expected a list of whole numbers");
      own.finish();
    }
    return patterns;
  }

  DataEntry data_of(const YAML::Node& node, const std::string& path) {
    DataEntry entry;
    MapView map(node, path, complaints_);
    map.read("type", entry.type,
             {"conversations", "captions", "pairs", "interleaved", "modality_captions", "world"});
    std::string file, media, order = "shuffled";
    const bool is_world = entry.type == "world";
    map.at(is_world ? "kind" : "path");
    map.read("kind", entry.kind);
    map.read("name", entry.name);
    map.read("split", entry.split, {"train", "test", "held_out"});
    if (const YAML::Node asks = map.find("asks"); asks.IsMap())
      for (const auto& ask : asks) entry.asks[ask.first.Scalar()] = ask.second.as<double>(0);
    map.read("samples", entry.samples, 1);
    map.read("side", entry.side, 16);
    map.read("path", file);
    map.read("media", media);
    entry.path = is_world ? fs::path("world/" + entry.kind) : file_.parent_path() / file;
    if (!media.empty()) entry.media = file_.parent_path() / media;
    map.read("modality", entry.modality);
    map.read("template", entry.conversation_template);
    map.read("weight", entry.weight, 0);
    map.read("loss_multiplier", entry.loss_multiplier, 0);
    map.read("batch", entry.batch, 0);
    map.read("max_length", entry.max_length, 0);
    map.read("min_media", entry.min_media, 0);
    map.read("max_media", entry.max_media, 0);
    map.read("similarity_threshold", entry.similarity_threshold);
    map.read("min_kb", entry.min_kb, 0);
    map.read("in_page_order", entry.in_page_order);
    map.read("order", order, {"sequential", "shuffled", "resampled", "grouped"});
    entry.order = order == "sequential"  ? samples::OrderKind::kSequential
                  : order == "resampled" ? samples::OrderKind::kResampled
                  : order == "grouped"   ? samples::OrderKind::kGrouped
                                         : samples::OrderKind::kShuffled;
    map.finish();
    return entry;
  }

  template <typename Read>
  void with_map(MapView& parent, const char* key, const Read& read) {
    const YAML::Node node = parent.find(key);
    if (!node.IsDefined()) return;
    MapView map(node, fmt::format("{}{}.", parent.path(), key), complaints_);
    read(map);
    map.finish();
  }

  Stage stage_of(const YAML::Node& node, const std::string& path) {
    Stage stage;
    MapView map(node, path, complaints_);
    map.at("name");
    map.read("name", stage.name);
    stage.trainable = patterns_of(map.at("trainable"), map);
    if (const YAML::Node storage = map.find("storage"); storage.IsMap())
      for (const auto& entry : storage)
        stage.storage[entry.first.as<std::string>("")] = entry.second.as<std::string>("");
    const YAML::Node data = map.at("data");
    for (size_t i = 0; data.IsSequence() && i < data.size(); ++i)
      stage.data.push_back(data_of(data[i], fmt::format("{}data[{}].", path, i)));
    if (data.IsDefined() && stage.data.empty())
      map.complain("data", "expected a list of data sets");
    std::string combine = "samples";
    map.read("combine", combine, {"samples", "batches", "together"});
    stage.combine = combine == "batches"    ? Combine::kBatches
                    : combine == "together" ? Combine::kTogether
                                            : Combine::kSamples;
    map.read("batch", stage.batch, 1);
    map.read("accumulation", stage.accumulation, 1);
    map.read("steps", stage.steps, 0);
    map.read("epochs", stage.epochs, 0);
    if ((stage.steps > 0) == (stage.epochs > 0))
      complaints_.add(node, fmt::format("{}steps: expected either steps or epochs above 0", path));
    with_map(map, "optimizer", [&](MapView& own) {
      own.read("kind", stage.optimizer.kind, {"adamw", "muon"});
      own.read("beta1", stage.optimizer.beta1, 0);
      own.read("beta2", stage.optimizer.beta2, 0);
      own.read("eps", stage.optimizer.eps, 0);
      own.read("momentum", stage.optimizer.momentum, 0);
    });
    with_map(map, "schedule", [&](MapView& own) {
      own.read("decay", stage.schedule.decay, {"constant", "linear", "cosine"});
      own.read("warmup_steps", stage.schedule.warmup_steps, 0);
      own.read("warmup_ratio", stage.schedule.warmup_ratio, 0);
      own.read("min_rate", stage.schedule.min_rate, 0);
    });
    const YAML::Node groups = map.at("groups");
    for (size_t i = 0; groups.IsSequence() && i < groups.size(); ++i) {
      Group& group = stage.groups.emplace_back();
      MapView own(groups[i], fmt::format("{}groups[{}].", path, i), complaints_);
      own.at("match");
      own.read("match", group.match);
      own.at("rate");
      own.read("rate", group.rate, 0);
      own.read("weight_decay", group.weight_decay, 0);
      own.finish();
    }
    with_map(map, "lora", [&](MapView& own) {
      own.at("rank");
      own.read("rank", stage.lora.rank, 1);
      own.read("alpha", stage.lora.alpha, 0);
      own.read("dropout", stage.lora.dropout, 0);
      if (stage.lora.dropout >= 1) own.complain("dropout", "expected a number below 1");
      own.at("targets");
      read_list(own, "targets", stage.lora.targets, "expected a list of patterns");
    });
    with_map(map, "held_out", [&](MapView& own) {
      const YAML::Node data = own.at("data");
      for (size_t i = 0; data.IsSequence() && i < data.size(); ++i)
        stage.held_out.data.push_back(data_of(data[i], fmt::format("{}data[{}].", own.path(), i)));
      own.read("samples", stage.held_out.samples, 1);
      own.read("every", stage.held_out.every, 0);
      own.read("batch", stage.held_out.batch, 1);
    });
    with_map(map, "feature_cache", [&](MapView& own) {
      std::string folder;
      own.read("memory_mb", stage.cache_mb, 0);
      own.read("folder", folder);
      if (!folder.empty()) stage.cache_folder = file_.parent_path() / folder;
    });
    map.read("ema", stage.ema, 0);
    if (stage.ema >= 1) map.complain("ema", "expected a number below 1");
    std::string non_finite = "stop";
    map.read("non_finite", non_finite, {"stop", "skip"});
    stage.skips_non_finite = non_finite == "skip";
    map.read("dtype", stage.dtype, {"reference", "stored", "f32", "f16", "bf16"});
    int64_t seed = static_cast<int64_t>(stage.seed);
    map.read("clip_norm", stage.clip_norm, 0);
    map.read("clip_every_micro_step", stage.clip_every_micro_step);
    map.read("gradient_checkpointing", stage.gradient_checkpointing);
    map.read("seed", seed, 0);
    stage.seed = static_cast<uint64_t>(seed);
    map.read("save_every", stage.save_every, 0);
    map.read("keep", stage.keep, 1);
    map.read("bad_samples", stage.bad_samples, 0);
    map.finish();
    return stage;
  }

  fs::path file_;
  Complaints& complaints_;
};

// "stages.0.batch=4"
void set(YAML::Node node, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos)
    throw UsageError(fmt::format("--set {}: expected KEY=VALUE", assignment));
  std::string_view path = std::string_view(assignment).substr(0, equals);
  std::vector<YAML::Node> nodes{std::move(node)};
  for (;;) {
    const size_t dot = path.find('.');
    const std::string key(path.substr(0, dot));
    const bool index = nodes.back().IsSequence();
    if (index && (key.find_first_not_of("0123456789") != std::string::npos || key.empty() ||
                  std::stoull(key) >= nodes.back().size()))
      throw UsageError(fmt::format("--set {}: \"{}\" is no place in a list of {}", assignment, key,
                                   nodes.back().size()));
    if (dot == std::string_view::npos) {
      const YAML::Node value = YAML::Load(assignment.substr(equals + 1));
      if (index)
        nodes.back()[std::stoull(key)] = value;
      else
        nodes.back()[key] = value;
      return;
    }
    nodes.push_back(index ? nodes.back()[std::stoull(key)] : nodes.back()[key]);
    path.remove_prefix(dot + 1);
  }
}

// "stages.0.batch" -> "4"
void add_leaves(const YAML::Node& node, const std::string& path,
                std::map<std::string, std::string>& leaves) {
  const std::string prefix = path.empty() ? "" : path + ".";
  if (node.IsMap()) {
    for (const auto& entry : node) add_leaves(entry.second, prefix + entry.first.Scalar(), leaves);
  } else if (node.IsSequence()) {
    for (size_t i = 0; i < node.size(); ++i)
      add_leaves(node[i], prefix + std::to_string(i), leaves);
  } else {
    leaves[path] = node.IsScalar() ? node.Scalar() : "nothing";
  }
}

std::map<std::string, std::string> leaves_of(const std::string& text) {
  std::map<std::string, std::string> leaves;
  add_leaves(YAML::Load(text), "", leaves);
  return leaves;
}

}  // namespace

namespace {

// What the library finds wrong, as one of our errors.
template <typename Make>
auto readable(const fs::path& file, const Make& make) {
  try {
    return make();
  } catch (const YAML::Exception& error) {
    throw UsageError(
        fmt::format("{}:{}: not valid YAML: {}", file.string(), error.mark.line + 1, error.msg));
  }
}

}  // namespace

YAML::Node read_tree(const fs::path& file, const std::vector<std::string>& sets) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream || fs::is_directory(file))
    throw UsageError(fmt::format("{}: cannot be opened: {}", file.string(),
                                 fs::is_directory(file) ? "is a folder" : std::strerror(errno)));
  std::ostringstream text;
  text << stream.rdbuf();
  return readable(file, [&] {
    YAML::Node root = YAML::Load(text.str());
    for (const std::string& assignment : sets) set(root, assignment);
    return root;
  });
}

Recipe recipe_of(const YAML::Node& root, const fs::path& file) {
  Complaints complaints(file.string());
  Recipe recipe = readable(file, [&] {
    Recipe parsed = Parser(file, complaints).parse(root);
    parsed.text = YAML::Dump(root);
    return parsed;
  });
  complaints.raise();
  return recipe;
}

Recipe load_recipe(const fs::path& file, const std::vector<std::string>& sets) {
  return recipe_of(read_tree(file, sets), file);
}

std::vector<std::string> differences(const std::string& before, const std::string& now) {
  constexpr size_t kShown = 5;
  const auto old = leaves_of(before), present = leaves_of(now);
  std::vector<std::string> found;
  for (const auto& [key, value] : present)
    if (const auto there = old.find(key); there == old.end())
      found.push_back(fmt::format("{}: absent, now {}", key, value));
    else if (there->second != value)
      found.push_back(fmt::format("{}: {}, now {}", key, there->second, value));
  for (const auto& [key, value] : old)
    if (!present.contains(key)) found.push_back(fmt::format("{}: {}, now absent", key, value));
  if (found.empty()) found.emplace_back("another order of its keys");
  if (found.size() > kShown) {
    const size_t more = found.size() - kShown;
    found.resize(kShown);
    found.push_back(fmt::format("and {} more", more));
  }
  return found;
}

std::string DataEntry::label() const {
  if (!name.empty()) return name;
  if (type != "world") return path.filename().string();
  return fmt::format("{}{} ({})", kind, modality == "image" ? "" : " " + modality, split);
}

void check_files(const Recipe& recipe) {
  std::vector<std::string> missing;
  for (const Stage& stage : recipe.stages) {
    std::vector<DataEntry> all = stage.data;
    all.insert(all.end(), stage.held_out.data.begin(), stage.held_out.data.end());
    for (const DataEntry& entry : all) {
      if (!entry.media.empty() && !fs::exists(entry.media)) missing.push_back(entry.media.string());
      if (entry.type == "pairs" || entry.type == "interleaved") {
        try {
          samples::find_shards(entry.path);
        } catch (const InputError& error) {
          missing.push_back(error.what());
        }
      } else if (entry.type != "world" && !fs::exists(entry.path)) {
        missing.push_back(entry.path.string());
      }
    }
  }
  if (!missing.empty())
    throw InputError(
        fmt::format("{}: not there: {}", recipe.file.string(), fmt::join(missing, ", ")));
}

}  // namespace isthmus::recipe
