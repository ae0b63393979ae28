// OpenEXR through its own library, which reads every compression; single-part and the first part of
// multi-part files, scan lines and tiles.
#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <utility>

#include <ImfChannelList.h>
#include <ImfFrameBuffer.h>
#include <ImfHeader.h>
#include <ImfIO.h>
#include <ImfInputPart.h>
#include <ImfMultiPartInputFile.h>
#include <ImfPartType.h>
#include <fmt/format.h>

#include "isthmus/error.h"
#include "media/decoders.h"
#include "media/scene_map.h"

namespace isthmus::media {
namespace {

class ByteStream : public Imf::IStream {
 public:
  ByteStream(std::span<const std::byte> bytes, const std::string& source)
      : Imf::IStream(source.c_str()), bytes_(bytes) {}

  bool read(char to[], int count) override {
    if (count < 0 || static_cast<uint64_t>(count) > bytes_.size() - position_)
      throw InputError(fmt::format("{}: EXR file is truncated: it ends after {} bytes", fileName(),
                                   bytes_.size()));
    std::memcpy(to, bytes_.data() + position_, static_cast<size_t>(count));
    position_ += static_cast<uint64_t>(count);
    return position_ < bytes_.size();
  }
  uint64_t tellg() override { return position_; }
  void seekg(uint64_t position) override {
    position_ = std::min<uint64_t>(position, bytes_.size());
  }

 private:
  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
};

std::vector<std::string> names_of(const Imf::ChannelList& channels) {
  std::vector<std::string> names;
  for (auto channel = channels.begin(); channel != channels.end(); ++channel)
    names.emplace_back(channel.name());
  return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Those that hold the map; empty if none do.
std::vector<std::string> chosen(const std::vector<std::string>& names, SceneMapKind kind) {
  if (kind == SceneMapKind::kDepth) {
    for (const char* name :
         {"Z", "depth.Z", "Depth.Z", "depth", "Depth", "depth.V", "Depth.V", "Y"})
      if (contains(names, name)) return {name};
    if (names.size() == 1) return names;
    if (contains(names, "R")) return {"R"};
    return {};
  }
  for (const std::string& name : names) {  // "X", "N.X", "Normal.X"
    if (!name.ends_with('X') || (name.size() > 1 && name[name.size() - 2] != '.')) continue;
    const std::string prefix = name.substr(0, name.size() - 1);
    if (contains(names, prefix + 'Y') && contains(names, prefix + 'Z'))
      return {name, prefix + 'Y', prefix + 'Z'};
  }
  if (contains(names, "R") && contains(names, "G") && contains(names, "B")) return {"R", "G", "B"};
  return {};
}

// The library makes tables as long as the picture is high before it tells the height. Its own
// limits hold for the whole process, so they are set once.
void limit_library() {
  constexpr int kMaxSide = 1 << 20, kMaxTile = 1 << 12;
  static const bool done = [] {
    Imf::Header::setMaxImageSize(kMaxSide, kMaxSide);
    Imf::Header::setMaxTileSize(kMaxTile, kMaxTile);
    return true;
  }();
  static_cast<void>(done);
}

FloatMap read(const EncodedImage& file, SceneMapKind kind) {
  limit_library();
  ByteStream stream(file.bytes, file.source);
  Imf::MultiPartInputFile input(stream, /*numThreads=*/0);
  const Imf::Header& header = input.header(0);
  if (header.hasType() && Imf::isDeepData(header.type()))
    throw UnsupportedError(file.source +
                           ": deep EXR files (several samples per pixel) are not read");
  const Imath::Box2i window = header.dataWindow();
  FloatMap map;
  map.width = int64_t{window.max.x} - window.min.x + 1;
  map.height = int64_t{window.max.y} - window.min.y + 1;
  file.check_size(map.width, map.height);
  // Compression shrinks to about 1/1032 at best; a short file that announces a huge picture is
  // refused before memory is taken.
  constexpr int64_t kBestRatio = 1032;
  if (map.width * map.height / kBestRatio > static_cast<int64_t>(file.bytes.size()))
    file.fail_truncated("EXR");

  const std::vector<std::string> names = names_of(header.channels());
  const std::vector<std::string> channels = chosen(names, kind);
  if (channels.empty())
    file.fail(fmt::format("its channels are {}; expected {}", fmt::join(names, " "),
                          kind == SceneMapKind::kDepth ? "Z, depth, Y or a single one"
                                                       : "X Y Z or R G B of a normal map"));
  map.channels = static_cast<int64_t>(channels.size());
  map.values.resize(static_cast<size_t>(map.width * map.height * map.channels));
  const auto pixel_bytes = static_cast<size_t>(map.channels) * sizeof(float);
  const auto row_bytes = static_cast<size_t>(map.width) * pixel_bytes;
  Imf::FrameBuffer buffer;
  for (size_t c = 0; c < channels.size(); ++c) {
    const Imf::Channel& channel = header.channels()[channels[c].c_str()];
    if (channel.xSampling != 1 || channel.ySampling != 1)
      throw UnsupportedError(fmt::format("{}: channel {} is subsampled", file.source, channels[c]));
    if (channel.type == Imf::UINT) map.whole_numbers = true;
    buffer.insert(channels[c], Imf::Slice::Make(Imf::FLOAT, map.values.data() + c, window,
                                                pixel_bytes, row_bytes));
  }
  Imf::InputPart part(input, 0);
  part.setFrameBuffer(buffer);
  part.readPixels(window.min.y, window.max.y);
  return map;
}

}  // namespace

FloatMap decode_exr(std::span<const std::byte> bytes, const std::string& source, SceneMapKind kind,
                    const ImageLimits& limits) {
  const EncodedImage file{bytes, source, limits};
  try {
    return read(file, kind);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw ResourceError(source + ": no memory to decode it");
  } catch (const std::exception& error) {  // the library's own
    file.fail(fmt::format("broken EXR file: {}", error.what()));
  }
}

}  // namespace isthmus::media
