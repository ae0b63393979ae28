// A recipe: which parts of a model learn from which data, stage by stage.   docs/training.md
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "samples/order.h"

namespace isthmus::recipe {

// Weights by name: "aligner.*", or rows of a table: "decoder.embed_tokens.weight" with rows.
struct Pattern {
  std::string match;
  std::vector<int64_t> rows;  // empty: all
};

// A LLaMA that nobody has trained yet, and its tokenizer.
struct FreshLanguageModel {
  std::filesystem::path pieces;  // of the tokenizer, one a line: training/fresh_parts.h
  int64_t hidden_size = 128, intermediate_size = 336, layers = 4, heads = 4, context = 2048;
  double rope_theta = 10000;
  bool previous_token_heads = false;
};

// A CLIP that nobody has trained yet.
struct FreshTower {
  int64_t hidden_size = 128, intermediate_size = 384, layers = 6, heads = 4;
  int64_t image_size = 96, patch_size = 16;
};

// An aligner that exists in no file yet, between `vision` and `base`; sizes left out are those of
// the family's reference.
struct FreshAligner {
  // "projector" (LLaVA), "gated_cross_attention" (Flamingo), "universal_projection" (OneLLM), or
  // "language_model": no aligner, but the model that others stand on
  std::string kind = "projector";

  std::string projector = "mlp2x_gelu";  // "linear", "mlp2x_gelu", "mlp3x_gelu", …
  int64_t select_layer = -2;             // of the vision tower
  std::string select_feature = "patch";  // "patch", "cls_patch"
  std::string aspect_ratio = "square";   // "square", "pad", "anyres"
  std::optional<FreshTower> tower;       // instead of model.vision
  // Projector, universal projection: length of new soft tokens, against the reference's.
  double token_scale = 1;

  int64_t cross_attn_every_n_layers = 1;
  int64_t resampler_layers = 0, resampler_heads = 0, latents = 0, cross_attention_heads = 0,
          feed_forward = 0;
  double gate = 0;  // where the gates start, before the tanh

  std::vector<std::string> modalities;  // as requests call them; with `path`: those it gets beside
  int64_t experts = 3, resampler_width = 0;
  std::map<std::string, std::vector<int64_t>> sizes;  // families/onellm/start.h

  FreshLanguageModel language_model;
};

struct ModelSource {
  std::string path;    // a model as `isthmus run` takes it; with `fresh` a OneLLM that grows
  std::string base;    // the language model below a projector or adapter
  std::string vision;  // the CLIP folder, where the config's name is not found
  std::optional<FreshAligner> fresh;
};

struct DataEntry {
  // "conversations", "captions", "pairs" and "interleaved" (tar shards), "modality_captions", or
  // "world": drawn, not read (training/world_data.h)
  std::string type;
  std::filesystem::path path;
  std::filesystem::path media;  // folder of media paths; empty: that of `path`
  std::string modality = "image";
  std::string conversation_template;
  double weight = 1;                     // in a mixture
  double loss_multiplier = 1;            // where all entries are taken together
  int64_t batch = 0;                     // 0: the stage's
  int64_t max_length = 0;                // tokens; 0: the family's
  int64_t min_media = 0, max_media = 0;  // of one sample; 0: the family's
  double similarity_threshold = 0;       // interleaved pages; 0: the family's
  int64_t min_kb = 10;                   // interleaved pages: smaller pictures are left out
  bool in_page_order = true;             // interleaved pages: the reference's quirk
  std::string kind, split = "train";     // of the world
  std::map<std::string, double> asks;    // how often each kind of question; empty: the usual
  int64_t samples = 1000000, side = 96;  // of the world: how many there are, pixels of its pictures
  samples::OrderKind order = samples::OrderKind::kShuffled;
  std::string name;  // in reports; empty: what label() makes of the rest

  std::string label() const;
};

enum class Combine {
  kSamples,   // a batch mixes entries, sample by sample, by weight
  kBatches,   // each batch comes from one entry, drawn by weight
  kTogether,  // every step takes a batch of each entry
};

struct Group {
  std::string match;  // weights whose name fits; the first group that fits takes them
  double rate = 0;
  double weight_decay = 0;
};

struct OptimizerChoice {
  std::string kind = "adamw";  // "adamw", "muon"
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, momentum = 0.95;
};

struct ScheduleChoice {
  std::string decay = "constant";  // "constant", "linear", "cosine"
  double warmup_steps = 0;
  double warmup_ratio = 0;  // of all steps, rounded up; instead of warmup_steps
  double min_rate = 0;
};

// Low-rank branches beside frozen matrices.                       Hu et al. 2021, §4.1
struct LoraChoice {
  int64_t rank = 0;  // 0: none
  double alpha = 0;  // the branch is scaled by alpha / rank; 0: alpha is the rank
  double dropout = 0;
  std::vector<std::string> targets;  // of linear maps: "decoder.layers.*.q_proj"
};

// Samples that are not learnt from, always the same ones, and what is measured on them.
struct HeldOut {
  std::vector<DataEntry> data;
  int64_t samples = 100;  // of each entry, the first
  int64_t every = 0;      // steps; 0: at the end alone
  int64_t batch = 16;
};

struct Stage {
  std::string name;
  std::vector<Pattern> trainable;
  std::map<std::string, std::string> storage;  // part ("decoder", …) -> "bf16", "q8", "q5", …
  std::vector<DataEntry> data;
  Combine combine = Combine::kSamples;
  int64_t batch = 1, accumulation = 1;
  int64_t steps = 0;  // of the optimiser; or …
  double epochs = 0;  // … passes over the data, the first entry's where several are combined
  OptimizerChoice optimizer;
  std::vector<Group> groups;
  ScheduleChoice schedule;
  double clip_norm = 1;  // 0: none
  bool clip_every_micro_step = false;
  bool gradient_checkpointing = false;  // blocks of the language model keep only what enters them
  LoraChoice lora;
  double ema =
      0;  // the stage's model is a running mean of its weights, this much old; 0: it is not
  HeldOut held_out;
  int64_t cache_mb = 0;                // of what a frozen encoder made of media, in memory
  std::filesystem::path cache_folder;  // and on disk; empty: nothing
  bool skips_non_finite = false;       // a step whose loss is no number is left out; else it stops
  std::string dtype = "reference";     // of what is written: families/output.h
  uint64_t seed = 42;
  int64_t save_every = 0;     // steps; 0: at the end alone
  int64_t keep = 2;           // checkpoints
  int64_t bad_samples = 100;  // more of them stop the run
};

struct Recipe {
  std::string name;
  std::filesystem::path file;
  ModelSource model;
  std::vector<Stage> stages;
  std::string text;  // as read, with what was set on top: another one is another recipe
};

// Paths are relative to the recipe's folder unless they are absolute; names of models stay as they
// are. `sets`: "stages.0.batch=4" on top of the file. Everything that is wrong is one UsageError,
// each complaint with file, line and what was expected; unknown keys name the nearest that exists.
Recipe load_recipe(const std::filesystem::path& file, const std::vector<std::string>& sets = {});

// What differs between two recipes as `text` holds them: "stages.0.batch: 4, now 8"; the first few.
std::vector<std::string> differences(const std::string& before, const std::string& now);

// Data files that are not there, all at once, as one InputError.
void check_files(const Recipe& recipe);

}  // namespace isthmus::recipe
