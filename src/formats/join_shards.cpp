#include "formats/join_shards.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/check.h"
#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

constexpr size_t kShownProblems = 10;

// What is wrong with the pieces of one tensor; "" when nothing is.
std::string misfit(std::span<const RawTensor* const> pieces, size_t axis) {
  const RawTensor& first = *pieces.front();
  if (axis >= first.shape.size())
    return fmt::format("{}: {} is {}, expected dimension {} to be cut", first.file, first.name,
                       to_string(first.shape), axis);
  for (const RawTensor* piece : pieces) {
    Shape expected = first.shape;
    if (piece->shape.size() == expected.size()) expected[axis] = piece->shape[axis];
    if (piece->shape != expected || piece->dtype != first.dtype)
      return fmt::format("{}: {} is {} of {}, which does not continue {} of {} in {}", piece->file,
                         piece->name, to_string(piece->shape), name_of(piece->dtype),
                         to_string(first.shape), name_of(first.dtype), first.file);
  }
  return {};
}

// The pieces side by side along `axis`, in row-major order.
std::shared_ptr<std::vector<std::byte>> joined_bytes(std::span<const RawTensor* const> pieces,
                                                     size_t axis, size_t total) {
  auto joined = std::make_shared<std::vector<std::byte>>(total);
  size_t outer = 1;
  for (size_t d = 0; d < axis; ++d) outer *= static_cast<size_t>(pieces.front()->shape[d]);
  if (total == 0) return joined;
  const size_t row = total / outer;
  size_t column = 0;  // bytes of a row that the pieces so far fill
  for (const RawTensor* piece : pieces) {
    const size_t width = piece->contiguous_size() / outer;
    size_t written = 0;  // bytes of this piece
    for_each_contiguous_piece(*piece, [&](std::span<const std::byte> bytes) {
      while (!bytes.empty()) {
        const size_t within = written % width, count = std::min(width - within, bytes.size());
        std::copy_n(
            bytes.begin(), count,
            joined->begin() + static_cast<std::ptrdiff_t>(written / width * row + column + within));
        bytes = bytes.subspan(count);
        written += count;
      }
    });
    column += width;
  }
  return joined;
}

RawTensor join(std::span<const RawTensor* const> pieces, size_t axis, JoinedBytes bytes) {
  RawTensor joined = *pieces.front();
  joined.shape[axis] = 0;
  for (const RawTensor* piece : pieces) joined.shape[axis] += piece->shape[axis];
  joined.strides = row_major_strides(joined.shape);
  joined.bytes = {};
  joined.owner.reset();
  if (bytes == JoinedBytes::kNone) return joined;
  const auto owned = joined_bytes(pieces, axis, joined.contiguous_size());
  joined.bytes = *owned;
  joined.owner = owned;
  return joined;
}

}  // namespace

Checkpoint join_shards(std::span<const Checkpoint> ranks, const CutAxis& axis, JoinedBytes bytes) {
  ISTHMUS_CHECK(!ranks.empty(), "at least one rank");
  if (ranks.size() == 1) return ranks.front();
  std::vector<std::string> problems;
  std::vector<std::filesystem::path> files;
  for (const Checkpoint& rank : ranks) {
    files.insert(files.end(), rank.files().begin(), rank.files().end());
    for (const std::string& name : rank.names())
      if (!ranks.front().contains(name))
        problems.push_back(fmt::format("{}: {} is missing in {}", rank.at(name).file, name,
                                       ranks.front().files().front().string()));
  }
  std::vector<RawTensor> tensors;
  for (const std::string& name : ranks.front().names()) {
    const RawTensor& whole = ranks.front().at(name);
    const auto cut = axis(name);
    if (!cut) {
      tensors.push_back(whole);
      continue;
    }
    std::vector<const RawTensor*> pieces;
    for (const Checkpoint& rank : ranks) {
      if (const RawTensor* piece = rank.find(name))
        pieces.push_back(piece);
      else
        problems.push_back(fmt::format("{}: {} is missing in {}", whole.file, name,
                                       rank.files().front().string()));
    }
    if (pieces.size() != ranks.size()) continue;
    if (std::string problem = misfit(pieces, *cut); !problem.empty())
      problems.push_back(std::move(problem));
    else if (problems.empty())
      tensors.push_back(join(pieces, *cut, bytes));
  }
  if (!problems.empty()) {
    const size_t shown = std::min(problems.size(), kShownProblems);
    throw ModelError(fmt::format(
        "{}{}",
        fmt::join(problems.begin(), problems.begin() + static_cast<std::ptrdiff_t>(shown), "\n"),
        problems.size() > shown ? fmt::format("\nand {} more", problems.size() - shown) : ""));
  }
  return Checkpoint::of_tensors(std::move(tensors), std::move(files));
}

}  // namespace isthmus::formats
