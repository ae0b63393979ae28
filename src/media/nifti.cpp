#include "media/nifti.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <zlib.h>

#include "base/check.h"
#include "base/mapped_file.h"
#include "isthmus/error.h"
#include "media/number_array.h"
#include "media/point_readers.h"

namespace isthmus::media {
namespace {

// The file's bytes from its beginning on, unpacked if they are packed.
class ByteSource {
 public:
  explicit ByteSource(std::span<const std::byte> bytes) : rest_(bytes) {
    packed_ = bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
    constexpr int kGzip = 15 + 16;
    if (packed_ && inflateInit2(&zlib_, kGzip) != Z_OK) throw ResourceError("zlib cannot start");
  }
  ~ByteSource() {
    if (packed_) inflateEnd(&zlib_);
  }
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // At most this many bytes may follow: deflate shrinks to 1/1032 at best.
  uint64_t most_left() const { return packed_ ? rest_.size() * 1032 + 1032 : rest_.size(); }

  // Fills `out` as far as there are bytes; returns how many. Broken packing ends them.
  size_t read(std::span<std::byte> out) {
    if (!packed_) {
      const size_t count = std::min(out.size(), rest_.size());
      std::copy_n(rest_.begin(), count, out.begin());
      rest_ = rest_.subspan(count);
      return count;
    }
    size_t done = 0;
    while (done < out.size()) {
      constexpr size_t kPiece = size_t{1} << 24;  // zlib counts in 32 bits
      const size_t wanted = std::min(kPiece, out.size() - done);
      const size_t given = std::min(kPiece, rest_.size());
      zlib_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(rest_.data()));
      zlib_.avail_in = static_cast<uInt>(given);
      zlib_.next_out = reinterpret_cast<Bytef*>(out.data() + done);
      zlib_.avail_out = static_cast<uInt>(wanted);
      const int status = inflate(&zlib_, Z_NO_FLUSH);
      const size_t taken = given - zlib_.avail_in, made = wanted - zlib_.avail_out;
      rest_ = rest_.subspan(taken);
      done += made;
      if (status == Z_STREAM_END) {  // several packed parts may follow each other
        if (rest_.empty() || inflateReset(&zlib_) != Z_OK) break;
      } else if (status != Z_OK || (taken == 0 && made == 0)) {
        break;
      }
    }
    return done;
  }

 private:
  std::span<const std::byte> rest_;
  bool packed_ = false;
  z_stream zlib_{};
};

constexpr size_t kHeader1 = 348, kHeader2 = 540;

// Where NIfTI 1 and 2 keep the same things.
struct Layout {
  size_t magic, datatype, dim, vox_offset, slope, intercept;
  NumberType dim_type, offset_type, scale_type;
};
constexpr Layout kNifti1{
    344, 70, 40, 108, 112, 116, NumberType::kI16, NumberType::kF32, NumberType::kF32};
constexpr Layout kNifti2{
    4, 12, 16, 168, 176, 184, NumberType::kI64, NumberType::kI64, NumberType::kF64};

std::optional<NumberType> type_of(int64_t code) {
  switch (code) {
    case 2: return NumberType::kU8;
    case 4: return NumberType::kI16;
    case 8: return NumberType::kI32;
    case 16: return NumberType::kF32;
    case 64: return NumberType::kF64;
    case 256: return NumberType::kI8;
    case 512: return NumberType::kU16;
    case 768: return NumberType::kU32;
    case 1024: return NumberType::kI64;
    case 1280: return NumberType::kU64;
    default: return std::nullopt;
  }
}

}  // namespace

struct NiftiReader::State {
  std::string source;
  std::shared_ptr<const MappedFile> file;
  ByteSource bytes;
  bool big_endian = false;
  std::array<int64_t, 3> size{};
  int64_t volumes = 1, delivered = 0;
  NumberType type = NumberType::kF32;
  double slope = 1, intercept = 0;
  std::vector<std::byte> raw;  // of one volume

  State(std::span<const std::byte> all, std::string name, const NiftiLimits& limits)
      : source(std::move(name)), bytes(all) {
    std::array<std::byte, kHeader2> header{};
    const size_t first = bytes.read(std::span(header).first(kHeader1));
    const auto announced = [&](size_t size, bool big) {
      return first == kHeader1 &&
             read_number(header.data(), NumberType::kI32, big) == static_cast<double>(size);
    };
    big_endian = announced(kHeader1, true) || announced(kHeader2, true);
    const bool second = announced(kHeader2, big_endian);
    if (!second && !announced(kHeader1, big_endian))
      fail("not a NIfTI file (.nii or .nii.gz), or cut short in its header");
    size_t header_size = kHeader1;
    if (second) {
      header_size = kHeader2;
      if (bytes.read(std::span(header).subspan(kHeader1)) != kHeader2 - kHeader1)
        fail("cut short in its header");
    }
    parse(header.data(), second ? kNifti2 : kNifti1, header_size, limits);
  }

  [[noreturn]] void fail(std::string_view what) const {
    throw InputError(fmt::format("{}: {}", source, what));
  }

  void parse(const std::byte* header, const Layout& layout, size_t header_size,
             const NiftiLimits& limits) {
    const auto number = [&](size_t at, NumberType kind) {
      return read_number(header + at, kind, big_endian);
    };
    const std::string_view magic(reinterpret_cast<const char*>(header + layout.magic), 3);
    if (magic == "ni1" || magic == "ni2")
      throw UnsupportedError(source +
                             ": a .hdr file whose voxels are in a .img file beside it is "
                             "not read; convert the pair to one .nii file");
    if (magic != "n+1" && magic != "n+2") fail("not a NIfTI file: its header has no mark");

    const size_t dim_size = size_of(layout.dim_type);
    const double axes = number(layout.dim, layout.dim_type);
    if (!(axes >= 1 && axes <= 7)) fail(fmt::format("{} axes; expected 3 or 4", axes));
    std::array<double, 7> extents;
    extents.fill(1);
    for (size_t i = 0; i < static_cast<size_t>(axes); ++i)
      extents[i] = number(layout.dim + (i + 1) * dim_size, layout.dim_type);
    double voxels = 1;
    for (size_t i = 0; i < extents.size(); ++i) {
      if (extents[i] < 1) fail(fmt::format("axis {} has {} voxels", i + 1, extents[i]));
      if (i >= 4 && extents[i] > 1)
        throw UnsupportedError(
            fmt::format("{}: {} axes; expected 3, or 4 with one volume after "
                        "the other",
                        source, axes));
      if (i < 3) voxels *= extents[i];
    }
    if (voxels > static_cast<double>(limits.max_voxels))
      fail(fmt::format("volumes of {}x{}x{} voxels; the limit is {}", extents[0], extents[1],
                       extents[2], limits.max_voxels));
    for (size_t i = 0; i < 3; ++i) size[i] = static_cast<int64_t>(extents[i]);

    const auto code = static_cast<int64_t>(number(layout.datatype, NumberType::kI16));
    const auto known = type_of(code);
    if (!known)
      throw UnsupportedError(
          fmt::format("{}: voxels of type {}; expected integers or floats", source, code));
    type = *known;
    slope = number(layout.slope, layout.scale_type);
    intercept = number(layout.intercept, layout.scale_type);
    if (slope == 0 || !std::isfinite(slope) || !std::isfinite(intercept)) {  // no scaling is meant
      slope = 1;
      intercept = 0;
    }
    skip_to_voxels(number(layout.vox_offset, layout.offset_type), header_size);
    const double needed = voxels * extents[3] * static_cast<double>(size_of(type));
    if (needed > static_cast<double>(bytes.most_left()))
      fail(fmt::format(
          "truncated: {}x{}x{} voxels in {} volumes need {:.0f} bytes behind the header", size[0],
          size[1], size[2], extents[3], needed));
    volumes = static_cast<int64_t>(extents[3]);
  }

  void skip_to_voxels(double offset, size_t header_size) {
    constexpr double kFurthest = 1 << 26;  // extensions are text
    const auto least = static_cast<double>(header_size);
    if (!(offset >= least && offset <= kFurthest))
      fail(fmt::format("its voxels are said to start at byte {}; expected {} or more", offset,
                       header_size));
    std::vector<std::byte> between(static_cast<size_t>(offset - least));
    if (bytes.read(between) != between.size()) fail("truncated before its voxels");
  }

  int64_t voxels() const { return size[0] * size[1] * size[2]; }

  void next(std::vector<float>& volume) {
    ISTHMUS_CHECK(delivered < volumes, source);
    const size_t width = size_of(type);
    raw.resize(static_cast<size_t>(voxels()) * width);
    if (bytes.read(raw) != raw.size())
      fail(fmt::format("truncated: it ends inside volume {} of {}", delivered + 1, volumes));
    ++delivered;
    volume.resize(static_cast<size_t>(voxels()));
    for (size_t i = 0; i < volume.size(); ++i)
      volume[i] = static_cast<float>(read_number(raw.data() + i * width, type, big_endian) * slope +
                                     intercept);
  }
};

NiftiReader::NiftiReader(const std::filesystem::path& path, const NiftiLimits& limits) {
  auto file = map_file(path);
  state_ = std::make_unique<State>(file->bytes(), path.string(), limits);
  state_->file = std::move(file);
}

NiftiReader::NiftiReader(std::span<const std::byte> bytes, std::string source,
                         const NiftiLimits& limits)
    : state_(std::make_unique<State>(bytes, std::move(source), limits)) {}

NiftiReader::~NiftiReader() = default;
NiftiReader::NiftiReader(NiftiReader&&) noexcept = default;
NiftiReader& NiftiReader::operator=(NiftiReader&&) noexcept = default;

const std::array<int64_t, 3>& NiftiReader::size() const { return state_->size; }
int64_t NiftiReader::num_voxels() const { return state_->voxels(); }
int64_t NiftiReader::num_volumes() const { return state_->volumes; }
const std::string& NiftiReader::source() const { return state_->source; }
void NiftiReader::next(std::vector<float>& volume) { state_->next(volume); }

}  // namespace isthmus::media
