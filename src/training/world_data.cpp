#include "training/world_data.h"

#include <string>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "training/world_text.h"
#include "world/dice.h"
#include "world/rows.h"

namespace isthmus::training {
namespace {

using samples::Sample;
using world::Dice;
using world::Split;

Split split_of(const std::string& name) {
  if (name == "train") return Split::kTrain;
  if (name == "test") return Split::kTest;
  if (name == "held_out") return Split::kHeldOut;
  throw UsageError(
      fmt::format("split \"{}\" of the world: expected train, test or held_out", name));
}

// The seed of everything in a split: nothing that is tested was ever drawn for training.
uint64_t seed_of(Split split) { return 20261126 + static_cast<uint64_t>(split); }

// Samples that are drawn when they are asked for.
class Drawn : public samples::DataSet {
 public:
  explicit Drawn(const recipe::DataEntry& entry)
      : entry_(entry), split_(split_of(entry.split)), seed_(seed_of(split_)) {}

  size_t size() const override { return static_cast<size_t>(entry_.samples); }
  std::string fingerprint() const override {
    return fmt::format("world/1 {} {} {} {} {}", entry_.kind, entry_.modality, entry_.split,
                       entry_.samples, entry_.side);
  }

 protected:
  std::string name(size_t index) const {
    return fmt::format("world/{}/{}[{}]", entry_.kind, entry_.split, index);
  }
  Dice dice(size_t index, uint64_t stream) const {
    return Dice(world::seed_of(seed_, stream, index));
  }

  recipe::DataEntry entry_;
  Split split_;
  uint64_t seed_;
};

class Chat final : public Drawn {
 public:
  using Drawn::Drawn;
  Sample at(size_t index) const override {
    Dice own = dice(index, 1);
    return chat_document(own, name(index));
  }
};

class Rows final : public Drawn {
 public:
  using Drawn::Drawn;
  Sample at(size_t index) const override {
    return row_document(world::text_row(seed_, index, {.scenes = 2, .modalities = 0}), name(index));
  }
};

}  // namespace

std::unique_ptr<samples::DataSet> open_world(const recipe::DataEntry& entry) {
  if (entry.kind == "chat") return std::make_unique<Chat>(entry);
  if (entry.kind == "rows") return std::make_unique<Rows>(entry);
  throw UsageError(fmt::format("kind \"{}\" of the world: expected chat, rows, questions, captions, "
                               "plain, episodes or pictures",
                               entry.kind));
}

}  // namespace isthmus::training
