#include "media/imu.h"

#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/dtype.h"
#include "base/rng.h"
#include "formats/npy.h"
#include "isthmus/error.h"
#include "media/csv_table.h"
#include "media/number_array.h"

namespace isthmus::media {
namespace {

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

std::string csv_error(const std::string& text) {
  return error_of([&] { parse_imu_csv(text, "walk.csv"); });
}

const std::string kHeader = "timestamp_ms,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z\n";

std::filesystem::path fresh_folder(const std::string& name) {
  const auto folder = std::filesystem::path(testing::TempDir()) / ("isthmus_imu_" + name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

void write_npy(const std::filesystem::path& path, const Shape& shape,
               const std::vector<float>& values) {
  formats::write_npy(path, DType::kF32, shape, std::as_bytes(std::span(values)));
}

TEST(ImuCsv, IsReadByTheNamesOfItsColumns) {
  const ImuRecording recording = parse_imu_csv(
      "\xEF\xBB\xBFgyro_z ; t_s; Acc X (m/s^2);note;accel.y;AZ;gyroscope_x;GYR_Y\r\n"
      "6;0.5;1;start;2;3;4;5\r\n\r\n12;0.51;7;;8;9;10;11\r\n",
      "walk.csv");
  EXPECT_EQ(recording.milliseconds, (std::vector<double>{500, 510}));
  for (size_t c = 0; c < kImuChannels; ++c)
    EXPECT_EQ(recording.channels[c],
              (std::vector<float>{static_cast<float>(c + 1), static_cast<float>(c + 7)}));
  EXPECT_TRUE(recording.notes.empty());
}

TEST(ImuCsv, OfEgo4dUsesTheCanonicalTimestamps) {
  const ImuRecording recording = parse_imu_csv(
      "component_idx,component_timestamp_ms,canonical_timestamp_ms,gyro_x,gyro_y,gyro_z,accl_x,"
      "accl_y,accl_z\n0,100,7.5,4,5,6,1,2,3\n0,105,12.5,4,5,6,1,2,3\n",
      "ego.csv");
  EXPECT_EQ(recording.milliseconds, (std::vector<double>{7.5, 12.5}));
  EXPECT_EQ(recording.channels[0][0], 1);
  EXPECT_EQ(recording.channels[5][1], 6);
}

TEST(ImuCsv, TellsTheUnitOfItsTimestampsWhereNoneIsNamed) {
  const auto first_step = [](const std::string& a, const std::string& b) {
    const ImuRecording recording =
        parse_imu_csv("time,ax,ay,az,gx,gy,gz\n" + a + ",0,0,0,0,0,0\n" + b + ",0,0,0,0,0,0\n", "");
    return std::pair(recording.milliseconds[1] - recording.milliseconds[0], recording.notes.at(0));
  };
  using Found = std::pair<double, std::string>;
  EXPECT_EQ(first_step("1", "1.25"), Found(250, "timestamps taken as seconds"));
  EXPECT_EQ(first_step("100", "105"), Found(5, "timestamps taken as milliseconds"));
  EXPECT_EQ(first_step("100000", "105000"), Found(5, "timestamps taken as microseconds"));
  EXPECT_NEAR(first_step("0", "5000000").first, 5, 1e-9);
}

TEST(ImuCsv, ThatIsIncompleteSaysWhatIsMissing) {
  EXPECT_EQ(csv_error("time_s,acc_x,acc_y,temperature\n1,2,3,4\n"),
            "walk.csv: lacks the columns acc_z, gyro_x, gyro_y, gyro_z; its header names time_s, "
            "acc_x, acc_y, temperature");
  EXPECT_EQ(csv_error("acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z\n1,2,3,4,5,6\n"),
            "walk.csv: lacks the columns timestamp; its header names acc_x, acc_y, acc_z, gyro_x, "
            "gyro_y, gyro_z");
  EXPECT_EQ(csv_error("1,2,3\n4,5,6\n"),
            "walk.csv: line 1 holds numbers; expected the names of the columns");
  EXPECT_EQ(csv_error(kHeader + "1,2,3,4,5,6,7\n8,9\n"),
            "walk.csv: line 3 has 2 fields, the header names 7");
  EXPECT_EQ(csv_error(kHeader + "1,2,3,4,5,six,7\n"),
            "walk.csv: line 2, column gyro_y: \"six\" is no number");
  EXPECT_EQ(csv_error(kHeader + "1,2,3,4,5,,7\n"),
            "walk.csv: sample 0 of gyro_y is missing or not finite");
  EXPECT_EQ(csv_error(kHeader + "1,2,3,nan,5,6,7\n"),
            "walk.csv: sample 0 of acc_z is missing or not finite");
  EXPECT_EQ(csv_error(kHeader + "5,2,3,4,5,6,7\n3,2,3,4,5,6,7\n"),
            "walk.csv: timestamps go back at sample 1, from 5 to 3 ms");
  EXPECT_EQ(csv_error(kHeader), "walk.csv: holds no sample");
  EXPECT_EQ(csv_error(" \n"), "walk.csv: the file is empty");
}

TEST(ImuNpy, FindsItsTimestampsBesideIt) {
  const auto folder = fresh_folder("beside");
  write_npy(folder / "a.npy", {6, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  EXPECT_EQ(error_of([&] { load_imu(folder / "a.npy"); }),
            (folder / "a.npy").string() + ": its timestamps are expected in " +
                (folder / "a_timestamps.npy").string() +
                ", which does not exist. Give them, or the samples per second");
  write_npy(folder / "a_timestamps.npy", {2}, {0, 5});
  const ImuRecording recording = load_imu(folder / "a.npy");
  EXPECT_EQ(recording.milliseconds, (std::vector<double>{0, 5}));
  EXPECT_EQ(recording.channels[1], (std::vector<float>{3, 4}));

  write_npy(folder / "turned.npy", {2, 6}, {1, 3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 12});
  const ImuRecording turned =
      load_imu(folder / "turned.npy", {.timestamps = folder / "a_timestamps.npy"});
  EXPECT_EQ(turned.channels, recording.channels);
  const ImuRecording steady =
      load_imu(folder / "turned.npy", {.timestamps = {}, .samples_per_second = 100});
  EXPECT_EQ(steady.milliseconds, (std::vector<double>{0, 10}));
}

TEST(ImuNpy, OfAnotherShapeOrWithOtherTimestampsIsRefused) {
  const auto folder = fresh_folder("shapes");
  write_npy(folder / "five.npy", {5, 2}, std::vector<float>(10));
  EXPECT_EQ(error_of([&] { load_imu(folder / "five.npy"); }),
            (folder / "five.npy").string() +
                ": holds an array of shape [5, 2]; expected [6, samples] (accelerometer x y z, "
                "gyroscope x y z)");
  write_npy(folder / "a.npy", {6, 2}, std::vector<float>(12));
  write_npy(folder / "a_timestamps.npy", {3}, {0, 5, 10});
  EXPECT_EQ(error_of([&] { load_imu(folder / "a.npy"); }),
            (folder / "a_timestamps.npy").string() + ": holds 3 timestamps, " +
                (folder / "a.npy").string() + " holds 2 samples");
  EXPECT_NE(error_of([&] { load_imu(folder / "none.npy"); }), "no error");
}

TEST(ImuCsv, MutationsAreErrorsNotCrashes) {
  Rng rng(3);
  const std::string file = kHeader + "1,2,3,4,5,6,7\n2,2e3,3,-4,5,6,7\n";
  for (int round = 0; round < 3000; ++round) {
    std::string mutated = file;
    for (uint64_t n = 1 + rng.next() % 5; n > 0; --n)
      mutated[rng.next() % mutated.size()] = static_cast<char>(rng.next());
    csv_error(mutated);
  }
}

TEST(NumberArray, ReadsEveryTypeInBothOrders) {
  const auto folder = fresh_folder("types");
  const std::vector<int16_t> shorts = {1, -2, 3, 4, 5, 6};
  formats::write_npy(folder / "i2.npy", DType::kI16, {2, 3}, std::as_bytes(std::span(shorts)));
  const NumberArray array(folder / "i2.npy");
  EXPECT_EQ(array.shape(), (Shape{2, 3}));
  EXPECT_EQ(array.at(0, 1), -2);
  EXPECT_EQ(array.at(1, 2), 6);
  const std::vector<uint16_t> halves = {float_to_half(0.5f)};
  formats::write_npy(folder / "f2.npy", DType::kF16, {1}, std::as_bytes(std::span(halves)));
  EXPECT_EQ(NumberArray(folder / "f2.npy").at(0), 0.5);
  EXPECT_THROW(NumberArray(folder / "none.npy"), InputError);
  std::ofstream(folder / "text.npy") << "not an array";
  EXPECT_THROW(NumberArray(folder / "text.npy"), InputError);
}

}  // namespace
}  // namespace isthmus::media
