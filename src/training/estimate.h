// What a stage will need, before it starts: memory by what holds it, and the work of a step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "families/family.h"
#include "recipe/recipe.h"
#include "training/survey.h"
#include "training/trainable.h"

namespace isthmus::training {

// One block of the model ("decoder.layers.3"), or what stands beside them ("aligner.projector").
struct LayerCost {
  // Whose rows go through it.
  enum class Rows { kFeatures, kSequence, kTargets };

  std::string name;
  Rows rows = Rows::kSequence;
  int64_t products = 0;     // numbers of its matrices: multiply-adds of one row
  int64_t learning = 0;     // of them, those that learn
  int64_t inputs = 0;       // numbers that matrices which learn take, all together
  int64_t outputs = 0;      // numbers that its matrices give, all together, and
  int64_t widest = 0;       // that the widest gives
  int64_t width = 0;        // of a row that enters
  int64_t heads = 0;        // of its attention, 0: it has none, or over few keys
  bool records = false;     // a gradient goes through it: something learns in it or before it
  bool recomputed = false;  // it keeps only what enters it, and is computed twice
};

// In the order in which they are computed.
std::vector<LayerCost> layer_costs(families::Family& family,
                                   const std::vector<Trainable>& trainables,
                                   bool gradient_checkpointing);

// One micro-batch of one entry, as the model computes it.
struct BatchShape {
  double sequences = 0, rows = 0;               // of these, each padded to so many rows
  double targets = 0;                           // of all sequences
  double features = 0;                          // rows behind the encoder, of all media, and
  double keys = 0;                              // of a tile: what each of its rows attends to
  double feature_width = 0, medium_values = 0;  // numbers of a row; that the encoder takes, of all
};
// `count` sequences like those surveyed. The length to which they are padded is the expectation of
// the longest of `count` samples drawn from them.
BatchShape batch_shape(const Shown& shown, int64_t count);

// Multiply-adds, and numbers moved besides.
struct Work {
  double forward = 0;   // x Wᵀ with weights that are frozen, and attention
  double backward = 0;  // dy W with weights that are frozen, and attention
  double learning = 0;  // all three products of weights that learn
  double moved = 0;     // numbers read or written by what is no product

  Work& operator+=(const Work& other);
  Work operator*(double factor) const;
};
// Per row of a layer that is W parameters wide, over K keys of width D:
//   forward   W + 2 D K
//   backward  W + 4 D K    where it records
//   learning  3 W          of what learns, instead of both
//   again     W + 2 D K    where it is recomputed
// Moved are 6 times what is kept for the way back, and twice what is given where nothing is.
Work work_of(const std::vector<LayerCost>& layers, const BatchShape& batch);
// Numbers kept for the way back, and what lives beside them at the worst moment:
//   per row: what all matrices give, the widest once more, the two rows that enter its halves, and
//   half of what the learning ones take; attention computes its weights again. Of recomputed layers
//   the row that enters, and all of this of one of them.
//   besides: the widest rows of one layer three times, three tables of logits (targets x
//   vocabulary), the features, and the media themselves twice.
double activation_numbers(const std::vector<LayerCost>& layers, const BatchShape& batch,
                          int64_t vocab_size);

// Of a stage's optimiser step: all its micro-batches, of the entries by weight.
Work work_of_step(const recipe::Stage& stage, const std::vector<LayerCost>& layers,
                  const std::vector<Shown>& shown, int64_t processes);

// Seconds of one thread for reading and preparing the samples of such a step.
double feeding_of_step(const recipe::Stage& stage, const std::vector<Shown>& shown,
                       int64_t processes);
// Of a step whose `computing` seconds keep `threads` threads busy, while another one of the same
// `processors` takes `feeding` seconds for the next.
double seconds_of_step(double computing, double feeding, int threads, int processors);

// Bytes.
struct MemoryEstimate {
  int64_t program = 0;  // what the process had before it held a model
  int64_t weights = 0;  // as they are stored, those that learn in float32
  int64_t gradients = 0, optimizer = 0, average = 0;
  int64_t activations = 0;  // of the largest micro-batch
  int64_t features = 0;     // kept by caches
  int64_t batches = 0;      // made ready ahead
  int64_t total() const;
  // "1.20 GB: weights 800 MB, …", the parts that are worth a word, largest first.
  std::string text() const;
};
MemoryEstimate memory_of(families::Family& family, const recipe::Stage& stage,
                         const std::vector<Trainable>& trainables,
                         const std::vector<LayerCost>& layers, const std::vector<Shown>& shown,
                         int64_t processes, int64_t program);

// Multiply-adds and numbers a second, as this machine does them at the sizes of this model.
struct Speed {
  double forward = 0, backward = 0, learning = 0, moved = 0;
  double seconds(const Work& work) const;
};
// Takes about half a second. `rows`: of the products measured, those of a micro-batch.
Speed measure_speed(families::Family& family, int64_t rows);

// "2.7 MB", "340 MB", "1.2 GB"; "40 s", "4 min", "3.5 h".
std::string bytes_in_words(int64_t bytes);
std::string seconds_in_words(double seconds);

}  // namespace isthmus::training
