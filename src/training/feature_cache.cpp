#include "training/feature_cache.h"

#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "isthmus/error.h"
#include "nn/slots.h"

namespace isthmus::training {
namespace {

constexpr uint32_t kMark = 0x46535349;  // "ISSF": a record begins
constexpr uint32_t kMostDimensions = 8;

std::string_view bytes_of(const Tensor& dense) {
  return {static_cast<const char*>(dense.data_ptr()), dense.nbytes()};
}

// The weights themselves: a folder may hold others tomorrow.
ContentHash hash_of_encoder(families::Family& family) {
  ContentHasher hasher;
  for (const nn::Slot& slot : nn::slots_of(family.modules())) {
    if (!slot.name.starts_with("encoder.")) continue;
    hasher.add(slot.name);
    const Tensor value = slot.value();
    if (value.defined()) hasher.add(bytes_of(value.to(torch::kFloat).contiguous()));
  }
  return hasher.hash();
}

ContentHash key_of(const modalities::Prepared& medium) {
  ContentHasher hasher;
  hasher.add(medium.modality);
  hasher.add(to_string(medium.shape));
  hasher.add(
      {reinterpret_cast<const char*>(medium.values.data()), medium.values.size() * sizeof(float)});
  return hasher.hash();
}

// The first weight of the encoder that asks for gradients; "" if none does.
std::string learning_part(families::Family& family) {
  for (const auto& parameter : family.modules().named_parameters())
    if (parameter.key().starts_with("encoder.") && parameter.value().requires_grad())
      return parameter.key();
  return {};
}

template <typename T>
void write_number(std::ostream& stream, const T& value) {
  stream.write(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename T>
bool read_number(std::istream& stream, T& value) {
  return static_cast<bool>(stream.read(reinterpret_cast<char*>(&value), sizeof value));
}

}  // namespace

bool encoder_learns(families::Family& family) { return !learning_part(family).empty(); }

FeatureCache::FeatureCache(families::Family& family, const FeatureCacheOptions& options)
    : family_(family), memory_left_(options.memory_bytes) {
  if (const std::string weight = learning_part(family); !weight.empty())
    throw UsageError(fmt::format(
        "feature_cache: {} learns; what the encoder makes of a medium changes with it", weight));
  if (!options.folder.empty()) open(options.folder, hash_of_encoder(family));
}

void FeatureCache::open(const std::filesystem::path& folder, const ContentHash& encoder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  file_ = folder / ("features-" + encoder.hex() + ".bin");
  if (!std::filesystem::exists(file_)) std::ofstream(file_, std::ios::binary);
  stream_.open(file_, std::ios::binary | std::ios::in | std::ios::out);
  if (!stream_) throw ResourceError(fmt::format("{}: cannot be opened", file_.string()));
  const uint64_t size = std::filesystem::file_size(file_);
  for (;;) {
    uint32_t mark = 0, dimensions = 0;
    ContentHash key{};
    Place place;
    if (!read_number(stream_, mark) || mark != kMark || !read_number(stream_, key.high) ||
        !read_number(stream_, key.low) || !read_number(stream_, dimensions) ||
        dimensions > kMostDimensions)
      break;
    uint64_t count = 1;
    for (uint32_t d = 0; d < dimensions; ++d) {
      int64_t extent = 0;
      if (!read_number(stream_, extent) || extent < 0 || extent > (int64_t{1} << 32)) count = size;
      place.shape.push_back(extent);
      count *= static_cast<uint64_t>(extent);
    }
    place.offset = static_cast<uint64_t>(stream_.tellg());
    if (!stream_ || count > size || place.offset + count * sizeof(float) > size) break;
    end_ = place.offset + count * sizeof(float);
    stream_.seekg(static_cast<std::streamoff>(end_));
    places_[key] = std::move(place);
  }
  stream_.clear();
}

Tensor FeatureCache::load(const ContentHash& key) {
  if (const auto kept = memory_.find(key); kept != memory_.end()) return kept->second;
  const auto place = places_.find(key);
  if (place == places_.end()) return {};
  Tensor values = torch::empty(place->second.shape);
  stream_.seekg(static_cast<std::streamoff>(place->second.offset));
  stream_.read(static_cast<char*>(values.data_ptr()),
               static_cast<std::streamsize>(values.nbytes()));
  if (!stream_) throw ResourceError(fmt::format("{}: cannot be read", file_.string()));
  return values;
}

void FeatureCache::store(const ContentHash& key, const Tensor& values) {
  const Tensor dense = values.detach().to(torch::kFloat).contiguous().clone();
  if (dense.nbytes() <= memory_left_) {
    memory_left_ -= dense.nbytes();
    memory_[key] = dense;
  }
  if (file_.empty()) return;
  stream_.seekp(static_cast<std::streamoff>(end_));
  write_number(stream_, kMark);
  write_number(stream_, key.high);
  write_number(stream_, key.low);
  write_number(stream_, static_cast<uint32_t>(dense.dim()));
  for (const int64_t extent : dense.sizes()) write_number(stream_, extent);
  Place place{static_cast<uint64_t>(stream_.tellp()), dense.sizes().vec()};
  const std::string_view bytes = bytes_of(dense);
  stream_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  stream_.flush();
  if (!stream_) throw ResourceError(fmt::format("{}: cannot be written", file_.string()));
  end_ = place.offset + bytes.size();
  places_[key] = std::move(place);
}

std::vector<families::MediaFeatures> FeatureCache::features(
    std::span<const modalities::Prepared> media) {
  std::vector<ContentHash> keys;
  std::vector<Tensor> values;
  std::vector<size_t> missing;
  std::map<ContentHash, size_t> first;  // of those that are missing: each is computed once
  for (size_t i = 0; i < media.size(); ++i) {
    keys.push_back(key_of(media[i]));
    values.push_back(load(keys.back()));
    if (!values.back().defined() && first.emplace(keys.back(), i).second) missing.push_back(i);
  }
  found_ += static_cast<int64_t>(media.size() - missing.size());
  computed_ += static_cast<int64_t>(missing.size());
  std::vector<modalities::Prepared> unseen;
  for (const size_t i : missing) unseen.push_back(media[i]);
  std::vector<families::MediaFeatures> made = family_.features(unseen);
  std::vector<families::MediaFeatures> all(media.size());
  for (size_t m = 0; m < missing.size(); ++m) {
    store(keys[missing[m]], made[m].values);
    values[missing[m]] = made[m].values.detach();
  }
  for (size_t i = 0; i < media.size(); ++i) {
    const auto again = first.find(keys[i]);
    const Tensor& found = values[i].defined() ? values[i] : values[again->second];
    all[i] = {found, family_.feature_modality(media[i].modality), media[i].geometry};
  }
  return all;
}

}  // namespace isthmus::training
