#include "engine/media_loader.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "media/imu.h"

namespace isthmus::engine {
using torch::Tensor;

namespace {

// A picture of a 9B Flamingo takes 6 MB with its keys and values, one of LLaVA-1.6 some 50 MB.
constexpr size_t kCachedMediaBytes = size_t{512} << 20;
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
  if (!part.rgb_data.empty()) add(hash_bytes(part.rgb_data));
  if (!part.path.empty()) add(identity_of_file(media::timestamps_beside(part.path)));
  all += fmt::format(" {} {} {}", part.unit, part.start.value_or(-1), part.end.value_or(-1));
  if (const auto& box = part.crop)
    all += fmt::format(" {} {} {} {}", box->top, box->left, box->height, box->width);
  return hash_text(all);
}

MediaLoader::MediaLoader(families::Family& family)
    : family_(family),
      preparer_([&family](const families::MediaSource& source) { return family.prepare(source); }),
      cache_(kCachedMediaBytes) {}

void MediaLoader::forget() { cache_ = MediaCache(kCachedMediaBytes); }

std::shared_ptr<const CachedMedia> MediaLoader::find(const std::optional<ContentHash>& identity) {
  return identity ? cache_.find(*identity) : nullptr;
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
  std::vector<families::EncodedMedia> encoded = family_.encode(prepared, probe);
  std::vector<std::shared_ptr<const CachedMedia>> made;
  for (size_t i = 0; i < fresh.size(); ++i) {
    if (!traced) {  // what only traces show
      prepared[i].values = {};
      encoded[i].features = encoded[i].projected = Tensor();
    }
    made.push_back(std::make_shared<const CachedMedia>(
        CachedMedia{cache_.next_id(), fresh[i].identity.value_or(ContentHash{}),
                    std::move(prepared[i]), std::move(encoded[i])}));
    if (fresh[i].identity) cache_.insert(made.back());
  }
  return made;
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
