// Samples of several data sets as one stream that knows its place.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "samples/order.h"
#include "samples/sample.h"

namespace isthmus::samples {

struct MixtureEntry {
  std::string name;
  std::shared_ptr<const DataSet> data;
  double weight = 1;  // how often its turn comes, against the others'
  OrderKind order = OrderKind::kShuffled;
  // kGrouped: samples of a batch, and batches that are filled together.
  size_t batch = 1, chunks = 1;
};

// Where a stream stands: all that resuming needs.
struct MixturePosition {
  uint64_t drawn = 0;            // turns so far
  std::vector<uint64_t> places;  // in each entry's order
  friend bool operator==(const MixturePosition&, const MixturePosition&) = default;
};

// Which of several processes that share the work asks.
struct Share {
  uint64_t rank = 0, world = 1;
};

// Endless; of one thread. Whose turn it is follows from the seed and the number of the turn. Of
// several processes each gets every world-th sample of the same stream: all of them know what the
// others draw.
class Mixture {
 public:
  // Reads the samples of grouped entries once, for their lengths. Throws UsageError: no entry, an
  // empty data set, a weight that is not above 0.
  Mixture(std::vector<MixtureEntry> entries, uint64_t seed, Share share = {});

  struct Drawn {
    size_t entry;
    uint64_t place;  // in the entry's order
    size_t index;    // in its data set
  };
  Drawn next();
  // Of one entry, whoever's turn it is: batches of one data set.
  Drawn next_of(size_t entry);
  size_t turn();  // whose it is, for all processes alike, without drawing a sample

  const MixtureEntry& entry(size_t i) const { return entries_.at(i); }
  size_t size() const { return entries_.size(); }
  const MixturePosition& position() const { return position_; }
  void go_to(MixturePosition position);  // UsageError: of another number of entries

 private:
  Drawn draw(size_t entry);

  std::vector<MixtureEntry> entries_;
  std::vector<Order> orders_;
  std::vector<double> until_;  // sums of weights
  uint64_t seed_;
  Share share_;
  MixturePosition position_;
};

}  // namespace isthmus::samples
