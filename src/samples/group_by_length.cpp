#include "samples/group_by_length.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "base/check.h"

namespace isthmus::samples {
namespace {

using Indices = std::vector<size_t>;

int64_t words_in(const std::string& text) {
  int64_t words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    if (!space && !inside) ++words;
    inside = !space;
  }
  return words;
}

// Each index to the chunk that is the shortest so far and not yet full. What cannot be shared out
// evenly is dealt out in turn.
std::vector<Indices> split_evenly(const Indices& indices, std::span<const int64_t> lengths,
                                  size_t chunks) {
  std::vector<Indices> split(chunks);
  if (indices.size() % chunks != 0) {
    for (size_t i = 0; i < indices.size(); ++i) split[i % chunks].push_back(indices[i]);
    return split;
  }
  std::vector<int64_t> sums(chunks, 0);
  for (const size_t index : indices) {
    const auto shortest = static_cast<size_t>(std::ranges::min_element(sums) - sums.begin());
    split[shortest].push_back(index);
    sums[shortest] += lengths[index];
    if (split[shortest].size() == indices.size() / chunks)
      sums[shortest] = std::numeric_limits<int64_t>::max();
  }
  return split;
}

std::vector<Indices> in_pieces(const Indices& indices, size_t size) {
  std::vector<Indices> pieces;
  for (size_t begin = 0; begin < indices.size(); begin += size) {
    const auto from = indices.begin() + static_cast<std::ptrdiff_t>(begin);
    const size_t count = std::min(size, indices.size() - begin);
    pieces.emplace_back(from, from + static_cast<std::ptrdiff_t>(count));
  }
  return pieces;
}

// get_length_grouped_indices
Indices of_one_kind(std::span<const int64_t> lengths, size_t batch, size_t chunks,
                    const Permutation& permutation) {
  Indices order;
  for (Indices& megabatch : in_pieces(permutation(lengths.size()), batch * chunks)) {
    std::ranges::stable_sort(megabatch,
                             [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });
    for (const Indices& own : split_evenly(megabatch, lengths, chunks))
      order.insert(order.end(), own.begin(), own.end());
  }
  return order;
}

}  // namespace

int64_t modality_length(const Sample& sample) {
  int64_t words = 0;
  for (const Turn& turn : sample.turns) words += words_in(turn.text);
  bool has_media = !sample.media.empty();
  for (const Part& part : sample.document) {
    has_media = has_media || part.type == Part::Type::kMedia;
    words += words_in(part.text);
  }
  words = std::max<int64_t>(words, 1);
  return has_media ? words : -words;
}

std::vector<size_t> group_by_length(std::span<const int64_t> lengths, size_t batch, size_t chunks,
                                    const Permutation& permutation) {
  ISTHMUS_CHECK(batch > 0 && chunks > 0 && std::ranges::count(lengths, 0) == 0,
                "groups of nothing, or a sample without length");
  Indices places[2];  // of samples with media, and of those without
  std::vector<int64_t> own[2];
  for (size_t i = 0; i < lengths.size(); ++i) {
    const size_t kind = lengths[i] > 0 ? 0 : 1;
    places[kind].push_back(i);
    own[kind].push_back(std::abs(lengths[i]));
  }
  // Quirk: where all samples are texts they keep their negative lengths, and the shortest come
  // first in a megabatch.
  if (places[0].empty() || places[1].empty())
    return of_one_kind(lengths, batch, chunks, permutation);
  std::vector<Indices> megabatches;
  Indices last;
  for (const size_t kind : {size_t{0}, size_t{1}}) {
    Indices order = of_one_kind(own[kind], batch, chunks, permutation);
    for (size_t& index : order) index = places[kind][index];
    std::vector<Indices> pieces = in_pieces(order, batch * chunks);
    // Quirk: the last one is set aside even when it is full.
    last.insert(last.end(), pieces.back().begin(), pieces.back().end());
    megabatches.insert(megabatches.end(), pieces.begin(), pieces.end() - 1);
  }
  Indices epoch;
  for (const size_t i : permutation(megabatches.size()))
    epoch.insert(epoch.end(), megabatches[i].begin(), megabatches[i].end());
  std::ranges::sort(last);
  epoch.insert(epoch.end(), last.begin(), last.end());
  return epoch;
}

}  // namespace isthmus::samples
