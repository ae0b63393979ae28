#include "engine/media_loader.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "engine/feature_shelf.h"
#include "media/imu.h"

namespace isthmus::engine {
using torch::Tensor;

namespace {

// A picture of a 9B Flamingo takes 6 MB with its keys and values, one of LLaVA-1.6 some 50 MB.
constexpr size_t kCachedMediaBytes = size_t{512} << 20;
// A picture of LLaVA-1.5 takes 2.4 MB.
constexpr size_t kSharedFeatureBytes = size_t{128} << 20;
constexpr uintmax_t kLargestHashed = uintmax_t{32} << 20;

std::optional<ContentHash> identity_of_file(const std::filesystem::path& file) {
  std::error_code failure;
  const uintmax_t size = std::filesystem::file_size(file, failure);
  if (failure) return std::nullopt;
  if (size <= kLargestHashed) return hash_file(file);
  const auto path = std::filesystem::canonical(file, failure);
  const auto changed = std::filesystem::last_write_time(file, failure).time_since_epoch().count();
  if (failure) return std::nullopt;
  return hash_text(fmt::format("{}\n{}\n{}", path.string(), size, changed));
}

}  // namespace

std::vector<families::MediaSource> media_sources(const Request& request) {
  std::vector<families::MediaSource> sources;
  const auto collect = [&](const std::vector<Part>& content) {
    for (const Part& part : content) {
      if (part.type != Part::Type::kMedia) continue;
      const std::string name =
          part.path.empty() ? fmt::format("{} {} of the request", part.modality, sources.size() + 1)
                            : part.path.string();
      sources.push_back({&part, name});
    }
  };
  for (const Message& message : request.messages) collect(message.content);
  collect(request.prompt);
  return sources;
}

std::optional<ContentHash> identity_of(const Part& part) {
  std::string all = part.modality + '\n';
  const auto add = [&](const std::optional<ContentHash>& identity) {
    if (identity) all += identity->hex();
    return identity.has_value();
  };
  if (!add(part.path.empty() ? hash_bytes(part.data) : identity_of_file(part.path)))
    return std::nullopt;
  for (const std::filesystem::path& beside : {part.rgb, part.mask}) {
    if (!beside.empty() && !add(identity_of_file(beside))) return std::nullopt;
    all += ' ';
  }
  for (const auto& [name, beside] :
       {std::pair("rgb", &part.rgb_data), std::pair("mask", &part.mask_data)})
    if (!beside->empty()) {
      all += name;
      add(hash_bytes(*beside));
    }
  if (!part.path.empty()) add(identity_of_file(media::timestamps_beside(part.path)));
  all += fmt::format(" {} {} {}", part.unit, part.start.value_or(-1), part.end.value_or(-1));
  if (const auto& box = part.crop)
    all += fmt::format(" {} {} {} {}", box->top, box->left, box->height, box->width);
  return hash_text(all);
}

struct MediaLoader::Shared {
  MediaCache cache{kCachedMediaBytes};
  FeatureShelf features{kSharedFeatureBytes};
  std::atomic<int> loaders = 1;
};

MediaLoader::MediaLoader(families::Family& family)
    : family_(family),
      preparer_([&family](const families::MediaSource& source) { return family.prepare(source); }),
      shared_(std::make_shared<Shared>()),
      cache_(shared_->cache) {}

MediaLoader::MediaLoader(families::Family& family, const MediaLoader& first)
    : family_(family),
      preparer_([&family](const families::MediaSource& source) { return family.prepare(source); }),
      shared_(first.shared_),
      cache_(shared_->cache),
      salt_(family.fingerprint()) {
  ++shared_->loaders;
}

MediaLoader::~MediaLoader() { --shared_->loaders; }

ContentHash MediaLoader::key_of(const ContentHash& identity) const {
  return salt_.empty() ? identity : hash_text(identity.hex() + salt_);
}

void MediaLoader::forget() { cache_.clear(); }

std::shared_ptr<const CachedMedia> MediaLoader::find(const std::optional<ContentHash>& identity) {
  return identity ? cache_.find(key_of(*identity)) : nullptr;
}

FreshMedium MediaLoader::prepare(const families::MediaSource& source,
                                 const std::optional<ContentHash>& identity) const {
  FreshMedium fresh{preparer_(source), identity};  // says what is wrong with the file
  for (const std::string& note : fresh.prepared.notes)
    log::warn(note.starts_with(source.name) ? note : source.name + ": " + note);
  return fresh;
}

std::vector<std::shared_ptr<const CachedMedia>> MediaLoader::encode(std::vector<FreshMedium> fresh,
                                                                    nn::Probe* probe, bool traced) {
  std::vector<modalities::Prepared> prepared;
  for (FreshMedium& one : fresh) prepared.push_back(std::move(one.prepared));
  std::vector<families::EncodedMedia> encoded =
      traced ? family_.encode(prepared, probe) : aligned(fresh, prepared, probe);
  std::vector<std::shared_ptr<const CachedMedia>> made;
  for (size_t i = 0; i < fresh.size(); ++i) {
    if (!traced) {  // what only traces show
      prepared[i].values = {};
      encoded[i].features = encoded[i].projected = Tensor();
    }
    made.push_back(std::make_shared<const CachedMedia>(CachedMedia{
        cache_.next_id(), fresh[i].identity ? key_of(*fresh[i].identity) : ContentHash{},
        std::move(prepared[i]), std::move(encoded[i])}));
    if (fresh[i].identity) cache_.insert(made.back());
  }
  return made;
}

// As Family::encode, but nothing goes through an encoder again that other aligners share.
std::vector<families::EncodedMedia> MediaLoader::aligned(
    std::span<const FreshMedium> fresh, std::span<const modalities::Prepared> prepared,
    nn::Probe* probe) {
  if (shared_->loaders < 2) return family_.encode(prepared, probe);
  std::vector<families::MediaFeatures> features;
  for (size_t i = 0; i < fresh.size(); ++i) {
    const auto& identity = fresh[i].identity;
    const ContentHash key =
        hash_text((identity ? identity->hex() : "") + family_.feature_fingerprint());
    auto known = identity ? shared_->features.find(key) : std::nullopt;
    if (!known) {
      known = family_.features(prepared.subspan(i, 1), probe).front();
      if (identity) shared_->features.insert(key, *known);
    }
    features.push_back(std::move(*known));
  }
  return family_.align(features, probe);
}

std::vector<std::shared_ptr<const CachedMedia>> MediaLoader::load(
    std::span<const families::MediaSource> sources, nn::Probe* probe) {
  const bool traced = probe != nullptr;
  std::vector<std::shared_ptr<const CachedMedia>> media(sources.size());
  std::vector<FreshMedium> fresh;
  std::vector<size_t> place(sources.size());  // in `fresh`, of media not known yet
  for (size_t i = 0; i < sources.size(); ++i) {
    const auto identity = traced ? std::nullopt : identity_of(*sources[i].part);
    if (identity) {
      if ((media[i] = find(identity))) continue;
      const auto twin = std::ranges::find(fresh, identity, &FreshMedium::identity);
      place[i] = static_cast<size_t>(twin - fresh.begin());
      if (twin != fresh.end()) continue;
    }
    place[i] = fresh.size();
    fresh.push_back(prepare(sources[i], identity));
  }
  const auto made = encode(std::move(fresh), probe, traced);
  for (size_t i = 0; i < sources.size(); ++i)
    if (!media[i]) media[i] = made[place[i]];
  return media;
}

}  // namespace isthmus::engine
