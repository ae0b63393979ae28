#include "samples/mixture.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/rng.h"
#include "isthmus/error.h"
#include "samples/group_by_length.h"

namespace isthmus::samples {
namespace {

// Of a sample that cannot be used: as short as one can be; whoever draws it finds out.
int64_t length_of(const DataSet& data, size_t index) {
  try {
    return modality_length(data.at(index));
  } catch (const BadSample&) {
    return 1;
  }
}

Grouping grouping_of(const MixtureEntry& entry) {
  Grouping grouping{{}, entry.batch, entry.chunks};
  if (entry.order != OrderKind::kGrouped) return grouping;
  for (size_t i = 0; i < entry.data->size(); ++i)
    grouping.lengths.push_back(length_of(*entry.data, i));
  return grouping;
}

}  // namespace

Mixture::Mixture(std::vector<MixtureEntry> entries, uint64_t seed, Share share)
    : entries_(std::move(entries)), seed_(seed), share_(share) {
  if (entries_.empty()) throw UsageError("there is no data to train on");
  double sum = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const MixtureEntry& entry = entries_[i];
    if (entry.data->size() == 0) throw UsageError(fmt::format("{}: holds no sample", entry.name));
    if (!(entry.weight > 0))
      throw UsageError(
          fmt::format("{}: weight {}: expected a number above 0", entry.name, entry.weight));
    orders_.emplace_back(entry.order, seed + i, entry.data->size(), grouping_of(entry));
    until_.push_back(sum += entry.weight);
  }
  position_.places.assign(entries_.size(), 0);
}

size_t Mixture::turn() {
  Rng rng(seed_ * 0x9e3779b97f4a7c15ull + position_.drawn++);
  const double at = rng.uniform() * until_.back();
  const auto found = std::ranges::upper_bound(until_, at);
  return std::min(static_cast<size_t>(found - until_.begin()), entries_.size() - 1);
}

Mixture::Drawn Mixture::draw(size_t entry) {
  const uint64_t place = position_.places.at(entry)++;
  return {entry, place, orders_[entry].at(place)};
}

Mixture::Drawn Mixture::next_of(size_t entry) {
  Drawn own{};
  for (uint64_t rank = 0; rank < share_.world; ++rank) {
    const Drawn drawn = draw(entry);
    if (rank == share_.rank) own = drawn;
  }
  return own;
}

Mixture::Drawn Mixture::next() {
  Drawn own{};
  for (uint64_t rank = 0; rank < share_.world; ++rank) {
    const Drawn drawn = draw(turn());
    if (rank == share_.rank) own = drawn;
  }
  return own;
}

void Mixture::go_to(MixturePosition position) {
  if (position.places.size() != entries_.size())
    throw UsageError(fmt::format("the position is one in {} data sets; there are {}",
                                 position.places.size(), entries_.size()));
  position_ = std::move(position);
}

}  // namespace isthmus::samples
