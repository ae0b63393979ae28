// Motion recordings (inertial measurement units) from files.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::media {

inline constexpr size_t kImuChannels = 6;

struct ImuRecording {
  std::vector<double> milliseconds;                       // of each sample; never goes back
  std::array<std::vector<float>, kImuChannels> channels;  // accelerometer x y z, gyroscope x y z
  std::vector<std::string> notes;  // what was changed on the way, for people to read
  std::string source;              // for messages

  size_t samples() const { return milliseconds.size(); }
};

struct ImuFileOptions {
  std::filesystem::path timestamps;  // of a npy file; empty: NAME_timestamps.npy beside NAME.npy
  double samples_per_second = 0;     // of a npy file without timestamps; 0: it has some
};

// .npy: [6, samples] or [samples, 6], with the milliseconds of each sample in a file of their own.
// Anything else is read as csv: columns named after sensor and axis (acc_x, accl_x, accelerometer_x
// …, gyro_x …) and one named timestamp or time, with its unit (_ns, _us, _ms, _s) or, where there
// is none, the unit that gives between 2 and 2000 samples a second, which is said in `notes`.
// Throws InputError if a file cannot be read, is broken, lacks columns, has samples that are not
// finite, timestamps that go back, or not as many timestamps as samples.
ImuRecording load_imu(const std::filesystem::path& path, const ImuFileOptions& options = {});

// NAME_timestamps.npy beside NAME.npy; it need not exist.
std::filesystem::path timestamps_beside(const std::filesystem::path& recording);

// As load_imu, from the text of a csv file; `source` stands where the file name would.
ImuRecording parse_imu_csv(std::string_view text, const std::string& source);

}  // namespace isthmus::media
