// Volumes from NIfTI files: brain images and masks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace isthmus::media {

struct NiftiLimits {
  int64_t max_voxels = int64_t{1} << 26;  // of one volume
};

// .nii and .nii.gz, NIfTI 1 and 2 of either byte order: volumes of x * y * z voxels, one after the
// other. Holds one volume at a time, however many there are. One object serves one thread at a
// time.
class NiftiReader {
 public:
  // Throws InputError if the file cannot be read, is no NIfTI file, is broken or exceeds `limits`;
  // UnsupportedError for pairs of .hdr and .img, more than four axes, colours and complex numbers.
  explicit NiftiReader(const std::filesystem::path& file, const NiftiLimits& limits = {});
  // Of bytes that outlive the reader; `source` stands where the file name would in messages.
  NiftiReader(std::span<const std::byte> bytes, std::string source, const NiftiLimits& limits = {});
  ~NiftiReader();
  NiftiReader(NiftiReader&&) noexcept;
  NiftiReader& operator=(NiftiReader&&) noexcept;

  const std::array<int64_t, 3>& size() const;  // x, y, z
  int64_t num_voxels() const;                  // x * y * z
  int64_t num_volumes() const;                 // at least 1
  const std::string& source() const;

  // The next volume, x running fastest, scaled by the header's slope and intercept. Called at most
  // num_volumes() times. Throws InputError if the file ends before.
  void next(std::vector<float>& volume);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace isthmus::media
