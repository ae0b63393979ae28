#include "engine/media_bytes.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

namespace isthmus::engine {
using torch::Tensor;

namespace {

constexpr uint64_t kLongestText = uint64_t{1} << 16;
constexpr uint64_t kMostDimensions = 8, kMostLayers = 4096, kMostNotes = 4096;
constexpr std::array kTypes = {torch::kFloat, torch::kHalf, torch::kBFloat16};

// The two directions go through the same list of fields (visit), so that they cannot differ.
class Writer {
 public:
  bool good() const { return true; }
  template <typename Number>
  void number(const Number& value) {
    static_assert(std::is_arithmetic_v<Number>);
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  uint64_t count(uint64_t value, uint64_t) {
    number(value);
    return value;
  }
  void text(const std::string& value) {
    number(static_cast<uint64_t>(value.size()));
    out_ += value;
  }
  void tensor(const Tensor& value) {
    if (!value.defined()) return number(uint8_t{0});
    const auto type = std::find(kTypes.begin(), kTypes.end(), value.scalar_type());
    const Tensor dense = type == kTypes.end() ? value.to(torch::kFloat) : value;
    number(static_cast<uint8_t>(type == kTypes.end() ? 1 : type - kTypes.begin() + 1));
    number(static_cast<uint64_t>(dense.dim()));
    for (const int64_t extent : dense.sizes()) number(extent);
    const Tensor rows = dense.contiguous();
    out_.append(static_cast<const char*>(rows.data_ptr()), rows.nbytes());
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool good() const { return good_; }
  bool at_end() const { return good_ && bytes_.empty(); }
  template <typename Number>
  void number(Number& value) {
    const char* from = take(sizeof value);
    if (from == nullptr) return;
    if constexpr (std::is_same_v<Number, bool>)
      value = *from != 0;
    else
      std::memcpy(&value, from, sizeof value);
  }
  uint64_t count(uint64_t, uint64_t most) {
    uint64_t value = 0;
    number(value);
    if (value > most) good_ = false;
    return good_ ? value : 0;
  }
  void text(std::string& value) {
    const uint64_t length = count(0, kLongestText);
    if (const char* from = take(length)) value.assign(from, length);
  }
  void tensor(Tensor& value) {
    uint8_t type = 0;
    number(type);
    if (!good_ || type == 0) return;
    if (type > kTypes.size()) return fail();
    std::vector<int64_t> sizes(count(0, kMostDimensions));
    const auto one = static_cast<uint64_t>(c10::elementSize(kTypes[type - 1u]));
    uint64_t length = one;
    for (int64_t& extent : sizes) {
      number(extent);
      const auto count = static_cast<uint64_t>(std::max<int64_t>(extent, 0));
      if (extent < 0 || (count > 0 && length > bytes_.size() / count)) return fail();
      length *= count;
    }
    const char* from = take(length);
    if (from == nullptr) return;
    value = torch::empty(sizes, kTypes[type - 1u]);
    if (length > 0) std::memcpy(value.data_ptr(), from, length);
  }

 private:
  void fail() { good_ = false; }
  const char* take(uint64_t count) {
    if (!good_ || count > bytes_.size()) {
      good_ = false;
      return nullptr;
    }
    const char* at = bytes_.data();
    bytes_.remove_prefix(count);
    return at;
  }

  std::string_view bytes_;
  bool good_ = true;
};

// What is visited is const where it is written.
template <typename Stream, typename Geometry>
void visit_geometry(Stream& stream, Geometry& geometry) {
  stream.number(geometry.original_width);
  stream.number(geometry.original_height);
  stream.number(geometry.tile_width);
  stream.number(geometry.tile_height);
  stream.number(geometry.grid_width);
  stream.number(geometry.grid_height);
  stream.number(geometry.has_base_tile);
  stream.number(geometry.resized_width);
  stream.number(geometry.resized_height);
  stream.number(geometry.left);
  stream.number(geometry.top);
}

template <typename Stream, typename Prepared>
void visit_prepared(Stream& stream, Prepared& prepared) {
  stream.text(prepared.modality);
  const uint64_t dimensions = stream.count(prepared.shape.size(), kMostDimensions);
  if constexpr (!std::is_const_v<Prepared>) prepared.shape.resize(dimensions);
  for (auto& extent : prepared.shape) stream.number(extent);
  visit_geometry(stream, prepared.geometry);
  for (auto& value : prepared.mean) stream.number(value);
  for (auto& value : prepared.deviation) stream.number(value);
  const uint64_t notes = stream.count(prepared.notes.size(), kMostNotes);
  if constexpr (!std::is_const_v<Prepared>) prepared.notes.resize(notes);
  for (auto& note : prepared.notes) stream.text(note);
}

template <typename Stream, typename Memory>
void visit_memory(Stream& stream, Memory& memory) {
  stream.tensor(memory.latents);
  const uint64_t layers = stream.count(memory.layers.size(), kMostLayers);
  if constexpr (!std::is_const_v<Memory>) memory.layers.resize(layers);
  for (auto& layer : memory.layers) {
    stream.tensor(layer.key);
    stream.tensor(layer.value);
  }
}

}  // namespace

std::string bytes_of(const CachedMedia& medium) {
  Writer writer;
  visit_prepared(writer, medium.prepared);
  const families::EncodedMedia& encoded = medium.encoded;
  writer.tensor(encoded.tokens);
  writer.tensor(encoded.routing);
  writer.number(encoded.memory != nullptr);
  if (encoded.memory != nullptr) visit_memory(writer, *encoded.memory);
  return writer.take();
}

std::optional<KeptMedium> medium_of(std::string_view bytes) {
  Reader reader(bytes);
  KeptMedium medium;
  visit_prepared(reader, medium.prepared);
  reader.tensor(medium.encoded.tokens);
  reader.tensor(medium.encoded.routing);
  bool has_memory = false;
  reader.number(has_memory);
  if (has_memory && reader.good()) {
    auto memory = std::make_shared<nn::MediaMemory>();
    visit_memory(reader, *memory);
    medium.encoded.memory = std::move(memory);
  }
  if (!reader.at_end()) return std::nullopt;
  return medium;
}

}  // namespace isthmus::engine
