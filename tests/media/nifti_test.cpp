#include "media/nifti.h"

#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "damage.h"
#include "error_message.h"
#include "isthmus/error.h"
#include "media/nifti_writer.h"

namespace isthmus::media {
namespace {

using testing_support::gzipped;
using testing_support::nifti_of;
using testing_support::NiftiOptions;

constexpr int16_t kU8 = 2, kI16 = 4, kF32 = 16, kF64 = 64, kU16 = 512, kComplex = 32;

NiftiReader open(const std::vector<char>& bytes, const NiftiLimits& limits = {}) {
  return NiftiReader(std::as_bytes(std::span(bytes)), "brain.nii", limits);
}

std::vector<std::vector<float>> volumes_of(const std::vector<char>& bytes) {
  NiftiReader reader = open(bytes);
  std::vector<std::vector<float>> volumes(static_cast<size_t>(reader.num_volumes()));
  for (auto& volume : volumes) reader.next(volume);
  return volumes;
}

template <typename T>
std::vector<T> counted(size_t count) {
  std::vector<T> values(count);
  std::iota(values.begin(), values.end(), T{1});
  return values;
}

TEST(NiftiReader, VolumesOfEveryTypeAndByteOrderAreRead) {
  const std::vector<std::vector<float>> expected = {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}};
  for (const bool big_endian : {false, true}) {
    for (const bool second : {false, true}) {
      const NiftiOptions options{big_endian, second, 0, 0};
      const std::vector<int64_t> size{3, 2, 1, 2};
      for (const auto& file : {nifti_of(size, kU8, counted<uint8_t>(12), options),
                               nifti_of(size, kI16, counted<int16_t>(12), options),
                               nifti_of(size, kU16, counted<uint16_t>(12), options),
                               nifti_of(size, kF32, counted<float>(12), options),
                               nifti_of(size, kF64, counted<double>(12), options)}) {
        EXPECT_EQ(volumes_of(file), expected);
        EXPECT_EQ(volumes_of(gzipped(file)), expected);
      }
    }
  }
  const NiftiReader reader = open(nifti_of({3, 2, 4}, kU8, counted<uint8_t>(24)));
  EXPECT_EQ(reader.size(), (std::array<int64_t, 3>{3, 2, 4}));
  EXPECT_EQ(reader.num_volumes(), 1);
}

TEST(NiftiReader, VoxelsAreScaledUnlessTheSlopeIsZero) {
  const auto values = counted<int16_t>(2);
  EXPECT_EQ(volumes_of(nifti_of({2, 1, 1}, kI16, values, {false, false, 0.5, 10}))[0],
            (std::vector<float>{10.5, 11}));
  EXPECT_EQ(volumes_of(nifti_of({2, 1, 1}, kI16, values, {true, true, -2, 0}))[0],
            (std::vector<float>{-2, -4}));
  EXPECT_EQ(volumes_of(nifti_of({2, 1, 1}, kI16, values, {false, false, 0, 10}))[0],
            (std::vector<float>{1, 2}));
}

TEST(NiftiReader, PackedPartsThatFollowEachOtherAreOne) {
  const auto file = nifti_of({3, 2, 1}, kF32, counted<float>(6));
  auto first = gzipped({file.begin(), file.begin() + 360});
  const auto second = gzipped({file.begin() + 360, file.end()});
  first.insert(first.end(), second.begin(), second.end());
  EXPECT_EQ(volumes_of(first)[0], counted<float>(6));
}

TEST(NiftiReader, BrokenHeadersAreNamed) {
  auto file = nifti_of({3, 2, 1}, kF32, counted<float>(6));
  EXPECT_EQ(message_of([&] {
              volumes_of({file.begin(), file.end() - 1});
            }),
            "brain.nii: truncated: 3x2x1 voxels in 1 volumes need 24 bytes behind the header");
  EXPECT_EQ(message_of([] {
              volumes_of({'n', 'o'});
            }),
            "brain.nii: not a NIfTI file (.nii or .nii.gz), or cut short in its header");
  EXPECT_EQ(message_of([&] { open(file, {.max_voxels = 5}); }),
            "brain.nii: volumes of 3x2x1 voxels; the limit is 5");
  EXPECT_THROW(volumes_of(nifti_of({1, 1, 1}, kComplex, counted<float>(2))), UnsupportedError);
  EXPECT_THROW(volumes_of(nifti_of({1, 1, 1, 1, 2}, kF32, counted<float>(2))), UnsupportedError);
  EXPECT_THROW(volumes_of(nifti_of({0, 1, 1}, kF32, counted<float>(2))), InputError);
  EXPECT_THROW(volumes_of(nifti_of({-3, 1, 1}, kF32, counted<float>(3))), InputError);
  std::memcpy(file.data() + 344, "ni1", 4);
  EXPECT_THROW(volumes_of(file), UnsupportedError);
  auto packed = gzipped(nifti_of({100, 100, 10}, kU8, std::vector<uint8_t>(100000, 7)));
  packed.resize(packed.size() - 20);
  EXPECT_NE(message_of([&] { volumes_of(packed); }).find("brain.nii: trunc"), std::string::npos);
  EXPECT_THROW(NiftiReader("no_such_file.nii"), InputError);
}

TEST(NiftiReader, TruncatedAndMutatedFilesAreReadOrRefused) {
  const auto try_reading = [](const std::vector<char>& bytes) {
    try {
      NiftiReader reader = open(bytes, {.max_voxels = 1 << 16});
      std::vector<float> volume;
      for (int64_t v = 0; v < std::min<int64_t>(reader.num_volumes(), 8); ++v) reader.next(volume);
    } catch (const Error&) {
    }
  };
  const auto plain = nifti_of({4, 3, 2, 2}, kI16, counted<int16_t>(48));
  for (const auto& whole :
       {plain, gzipped(plain), nifti_of({2, 2, 2}, kF64, counted<double>(8), {true, true, 1, 0})})
    for_each_damage(whole, {.cuts = SIZE_MAX, .rounds = 5000}, try_reading);
}

}  // namespace
}  // namespace isthmus::media
