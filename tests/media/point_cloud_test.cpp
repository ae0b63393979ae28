#include "media/point_cloud.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "isthmus/error.h"
#include "media/lzf.h"
#include "media/thinning.h"

namespace isthmus::media {
namespace {

using Floats = std::vector<float>;

template <typename T>
void append(std::string& out, T value, bool big_endian = false) {
  std::string bytes(reinterpret_cast<const char*>(&value), sizeof value);
  if (big_endian) std::reverse(bytes.begin(), bytes.end());
  out += bytes;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

PointCloud decode(const std::string& file, const std::string& name = "a.ply",
                  const PointCloudLimits& limits = {}) {
  return decode_point_cloud(bytes_of(file), name, limits);
}

std::string error_of(const std::string& file, const std::string& name = "a.ply") {
  try {
    decode(file, name);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

const Floats kPositions = {1, 2, 3, -4, 5.5f, 6};
const Floats kColours = {1, 0, 51 / 255.0f, 0, 1, 102 / 255.0f};

void expect_the_two_points(const PointCloud& cloud) {
  EXPECT_EQ(cloud.positions, kPositions);
  ASSERT_EQ(cloud.colours.size(), kColours.size());
  for (size_t i = 0; i < kColours.size(); ++i) EXPECT_FLOAT_EQ(cloud.colours[i], kColours[i]);
  EXPECT_EQ(cloud.points_in_file, 2);
}

std::string ply_header(const std::string& format, const std::string& count = "2") {
  return "ply\nformat " + format + " 1.0\ncomment made by hand\nelement camera 1\n" +
         "property list uchar float view\nelement vertex " + count +
         "\nproperty float x\nproperty double y\nproperty float z\nproperty uchar red\n" +
         "property uchar green\nproperty uchar blue\nelement face 1\n" +
         "property list uchar int vertex_indices\nend_header\n";
}

std::string binary_ply(bool big_endian) {
  std::string file = ply_header(big_endian ? "binary_big_endian" : "binary_little_endian");
  append<uint8_t>(file, 2);
  append(file, 7.0f, big_endian);
  append(file, 8.0f, big_endian);
  for (size_t i = 0; i < 2; ++i) {
    append(file, kPositions[3 * i], big_endian);
    append(file, static_cast<double>(kPositions[3 * i + 1]), big_endian);
    append(file, kPositions[3 * i + 2], big_endian);
    for (size_t c = 0; c < 3; ++c)
      append(file, static_cast<uint8_t>(std::lround(kColours[3 * i + c] * 255)));
  }
  return file;
}

TEST(Ply, IsReadAsText) {
  expect_the_two_points(decode(ply_header("ascii") +
                               "2 7 8\n1 2 3 255 0 51\n-4 5.5 6e0 0 255 102\n3 0 1 0\n"));
}

TEST(Ply, IsReadInBothByteOrders) {
  expect_the_two_points(decode(binary_ply(false)));
  expect_the_two_points(decode(binary_ply(true)));
}

TEST(Ply, WithWindowsLineEndsAndWithoutColoursIsRead) {
  const PointCloud cloud = decode(
      "ply\r\nformat ascii 1.0\r\nelement vertex 1\r\nproperty float z\r\nproperty float x\r\n"
      "property float y\r\nend_header\r\n3 1 2\r\n");
  EXPECT_EQ(cloud.positions, (Floats{1, 2, 3}));
  EXPECT_TRUE(cloud.colours.empty());
}

TEST(Ply, KeepsMissingMeasurements) {
  const PointCloud cloud = decode(
      "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\n"
      "property float z\nproperty float red\nproperty float green\nproperty float blue\n"
      "end_header\nnan -inf 0 0.5 0.25 1\n");
  EXPECT_TRUE(std::isnan(cloud.positions[0]));
  EXPECT_EQ(cloud.positions[1], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(cloud.colours, (Floats{0.5f, 0.25f, 1}));
}

TEST(Ply, ThatIsBrokenSaysWhere) {
  EXPECT_EQ(error_of(ply_header("ascii") + "2 7 8\n1 2 x 255 0 51\n-4 5.5 6 0 255 102\n"),
            "a.ply: \"x\" is no number");
  EXPECT_EQ(error_of(ply_header("ascii") + "2 7 8\n1 2 3 255 0 51\n-4 5.5"),
            "a.ply: ply file is truncated: it ends before the last vertex");
  EXPECT_EQ(error_of(ply_header("utf8")),
            "a.ply: ply header, line 2: format \"utf8\", expected ascii, binary_little_endian or "
            "binary_big_endian");
  EXPECT_EQ(error_of("ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n"),
            "a.ply: its vertices have no property y; expected x, y and z");
  EXPECT_EQ(error_of("ply\nformat ascii 1.0\nelement face 0\nend_header\n"),
            "a.ply: ply file without vertices");
  EXPECT_EQ(error_of("ply\nformat ascii 1.0\nproperty float x\n"),
            "a.ply: ply header, line 3: a property before the first element");
  EXPECT_EQ(error_of(ply_header("ascii", "0") + "2 7 8\n"), "a.ply: holds no point");
}

TEST(Ply, ThatAnnouncesMorePointsThanItHasIsRefusedBeforeMemoryIsTaken) {
  EXPECT_EQ(error_of("ply\nformat binary_little_endian 1.0\nelement vertex 4000000000000000000\n"
                     "property float x\nproperty float y\nproperty float z\nend_header\n1234"),
            "a.ply: is truncated: its header announces 4000000000000000000 records of at least 12 "
            "bytes, 4 bytes follow");
}

std::string pcd_header(const std::string& data, const std::string& rgb_type = "F") {
  return "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z normal rgb\n"
         "SIZE 4 4 8 4 4\nTYPE F F F F " +
         rgb_type + "\nCOUNT 1 1 1 2 1\nWIDTH 2\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 2\n" +
         "DATA " + data + "\n";
}

uint32_t packed(size_t point) {
  uint32_t value = 0;
  for (size_t c = 0; c < 3; ++c)
    value = value << 8 | static_cast<uint32_t>(std::lround(kColours[3 * point + c] * 255));
  return value;
}

TEST(Pcd, IsReadAsText) {
  const auto line = [](size_t i) {
    return std::to_string(kPositions[3 * i]) + " " + std::to_string(kPositions[3 * i + 1]) + " " +
           std::to_string(kPositions[3 * i + 2]) + " 9 9 " + std::to_string(packed(i)) + "\n";
  };
  expect_the_two_points(decode(pcd_header("ascii", "U") + line(0) + line(1), "a.pcd"));
}

TEST(Pcd, IsReadAsRecords) {
  std::string file = pcd_header("binary");
  for (size_t i = 0; i < 2; ++i) {
    append(file, kPositions[3 * i]);
    append(file, kPositions[3 * i + 1]);
    append(file, static_cast<double>(kPositions[3 * i + 2]));
    append(file, 9.0f);
    append(file, 9.0f);
    append(file, packed(i));
  }
  expect_the_two_points(decode(file, "a.pcd"));
}

// Literal runs only, but for the first eight bytes, which are repeated where they occur again.
std::string compressed_lzf(const std::string& data) {
  std::string out;
  for (size_t at = 0; at < data.size();) {
    if (at >= 16 && data.compare(at, 8, data, at - 16, 8) == 0) {
      out += static_cast<char>((8 - 2) << 5);
      out += static_cast<char>(16 - 1);
      at += 8;
      continue;
    }
    const size_t run = std::min<size_t>(8, data.size() - at);
    out += static_cast<char>(run - 1);
    out += data.substr(at, run);
    at += run;
  }
  return out;
}

std::string compressed_pcd() {
  std::string data;
  for (size_t c = 0; c < 2; ++c)
    for (size_t i = 0; i < 2; ++i) append(data, kPositions[3 * i + c]);
  for (size_t i = 0; i < 2; ++i) append(data, static_cast<double>(kPositions[3 * i + 2]));
  for (size_t i = 0; i < 4; ++i) append(data, 9.0f);
  for (size_t i = 0; i < 2; ++i) append(data, packed(i));
  const std::string block = compressed_lzf(data);
  std::string file = pcd_header("binary_compressed");
  append(file, static_cast<uint32_t>(block.size()));
  append(file, static_cast<uint32_t>(data.size()));
  return file + block;
}

TEST(Pcd, IsReadCompressed) { expect_the_two_points(decode(compressed_pcd(), "a.pcd")); }

TEST(Lzf, RepeatsWhatItHasWritten) {
  const std::string packed = {'\x02', 'a', 'b', 'c', '\xe0', '\x01', '\x02', '\x00', 'd'};
  const std::vector<std::byte> out = decompress_lzf(bytes_of(packed), 14);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(out.data()), out.size()), "abcabcabcabcad");
  EXPECT_TRUE(decompress_lzf(bytes_of(packed), 13).empty());
  EXPECT_TRUE(decompress_lzf(bytes_of(std::string("\x20\x05", 2)), 3).empty());  // before the start
  EXPECT_TRUE(decompress_lzf(bytes_of(packed), size_t{1} << 31).empty());
}

TEST(Pcd, ThatIsBrokenSaysWhere) {
  EXPECT_EQ(error_of(pcd_header("ascii") + "1 2 3 9 9 0 1 2 3 9 9 zero", "a.pcd"),
            "a.pcd: point 1: \"zero\" is no number");
  EXPECT_EQ(error_of(pcd_header("ascii") + "1 2 3 9 9 0 1 2", "a.pcd"),
            "a.pcd: pcd file is truncated: it ends in point 1 of 2");
  EXPECT_EQ(error_of(pcd_header("binary") + "abc", "a.pcd"),
            "a.pcd: is truncated: its header announces 2 records of at least 28 bytes, 3 bytes "
            "follow");
  EXPECT_EQ(error_of(pcd_header("gzip"), "a.pcd"),
            "a.pcd: pcd header: DATA \"gzip\", expected ascii, binary or binary_compressed");
  EXPECT_EQ(error_of("VERSION 0.7\nFIELDS x y\nSIZE 4\n", "a.pcd"),
            "a.pcd: pcd header: SIZE has 1 entries for 2 fields");
  EXPECT_EQ(error_of("VERSION 0.7\nFIELDS x y\nSIZE 4 4\nTYPE F F\nPOINTS 1\nDATA ascii\n1 2\n",
                     "a.pcd"),
            "a.pcd: its points have no field z; expected x, y and z");
  std::string broken = compressed_pcd();
  broken[broken.size() - 9] = '\x7f';
  EXPECT_EQ(error_of(broken, "a.pcd"), "a.pcd: its compressed block is broken");
}

std::string npy(const std::string& descr, const std::string& shape, const std::string& data,
                const std::string& fortran = "False") {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
  header.resize((header.size() + 10 + 64) / 64 * 64 - 11, ' ');
  header += '\n';
  std::string file = std::string("\x93NUMPY\x01\x00", 8);
  append(file, static_cast<uint16_t>(header.size()));
  return file + header + data;
}

std::string floats(const Floats& values) {
  std::string data;
  for (const float value : values) append(data, value);
  return data;
}

TEST(NpyPoints, AreReadWithAndWithoutColours) {
  const PointCloud plain = decode(npy("<f4", "(2, 3)", floats(kPositions)), "a.npy");
  EXPECT_EQ(plain.positions, kPositions);
  EXPECT_TRUE(plain.colours.empty());
  const Floats rows = {1, 2, 3, 0.5f, 0.25f, 0, 4, 5, 6, 1, 1, 1};
  const PointCloud coloured = decode(npy("<f4", "(2, 6)", floats(rows)), "a.npy");
  EXPECT_EQ(coloured.positions, (Floats{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(coloured.colours, (Floats{0.5f, 0.25f, 0, 1, 1, 1}));
  EXPECT_TRUE(coloured.notes.empty());
}

TEST(NpyPoints, TurnedRoundOrWithByteColoursAreReadAndSaySo) {
  const PointCloud turned = decode(npy("<f4", "(3, 2)", floats({1, 4, 2, 5, 3, 6})), "a.npy");
  EXPECT_EQ(turned.positions, (Floats{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(turned.notes,
            (std::vector<std::string>{"array of shape [3, 2] read as one point per column"}));
  const PointCloud bytes = decode(npy("<f4", "(1, 6)", floats({1, 2, 3, 255, 0, 51})), "a.npy");
  EXPECT_EQ(bytes.colours, (Floats{1, 0, 0.2f}));
  EXPECT_EQ(bytes.notes, (std::vector<std::string>{"colours up to 255 divided by 255"}));
}

TEST(NpyPoints, OfOtherShapesAreRefused) {
  EXPECT_EQ(error_of(npy("<f4", "(6,)", floats(kPositions)), "a.npy"),
            "a.npy: holds an array of shape [6]; expected [points, 3] (x y z) or [points, 6] (x y "
            "z red green blue)");
  EXPECT_EQ(error_of(npy("<f4", "(0, 3)", ""), "a.npy"), "a.npy: holds no point");
  EXPECT_THROW(decode(npy(">f4", "(2, 3)", floats(kPositions)), "a.npy"), UnsupportedError);
  EXPECT_THROW(decode(npy("<f4", "(9, 3)", floats(kPositions)), "a.npy"), InputError);
}

TEST(KittiScan, IsReadWithGreyFromItsReflectance) {
  const PointCloud cloud = decode(floats({1, 2, 3, 0.5f, 4, 5, 6, 0.25f}), "000001.bin");
  EXPECT_EQ(cloud.positions, (Floats{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(cloud.colours, (Floats{0.5f, 0.5f, 0.5f, 0.25f, 0.25f, 0.25f}));
  EXPECT_EQ(cloud.notes, (std::vector<std::string>{"reflectance taken as grey"}));
  EXPECT_EQ(error_of("12345", "a.bin"),
            "a.bin: has 5 bytes, which is no multiple of 16 (x y z reflectance as float32); not a "
            "KITTI scan");
}

TEST(PointCloudFile, OfAnotherKindIsRefused) {
  EXPECT_EQ(error_of("", "a.las"),
            "a.las: the file is empty; expected points (npy, ply, pcd, or KITTI's scans named "
            ".bin)");
  EXPECT_EQ(error_of("LASF....", "a.las"),
            "a.las: not a file of points (npy, ply, pcd, or KITTI's scans named .bin)");
  EXPECT_THROW(load_point_cloud("/does/not/exist.ply"), InputError);
  EXPECT_THROW(load_point_cloud("/"), InputError);
}

TEST(PointCloudFile, OfMorePointsThanTheLimitIsThinnedAndSaysSo) {
  std::string data;
  for (int i = 0; i < 1000; ++i)
    for (int c = 0; c < 4; ++c) append(data, static_cast<float>(i));
  const PointCloud cloud = decode(data, "a.bin", {.max_points = 100});
  EXPECT_EQ(cloud.count(), 100);
  EXPECT_EQ(cloud.points_in_file, 1000);
  EXPECT_EQ(cloud.notes[0], "100 of 1000 points kept, chosen evenly at random");
  double mean = 0;
  for (int64_t i = 0; i < 100; ++i) mean += cloud.positions[static_cast<size_t>(3 * i)] / 100;
  EXPECT_NEAR(mean, 500, 100);
}

TEST(Thinning, KeepsExactlyWhatIsWanted) {
  for (const int64_t wanted : {0, 1, 7, 50, 60}) {
    Thinning thinning(50, wanted);
    int64_t kept = 0;
    for (int i = 0; i < 50; ++i) kept += thinning.keep() ? 1 : 0;
    EXPECT_EQ(kept, std::min<int64_t>(wanted, 50));
  }
}

TEST(PointCloudFile, EveryTruncationAndManyMutationsAreErrorsNotCrashes) {
  Rng rng(7);
  const std::vector<std::pair<std::string, std::string>> files = {
      {binary_ply(false), "a.ply"},
      {ply_header("ascii") + "2 7 8\n1 2 3 255 0 51\n-4 5.5 6e0 0 255 102\n3 0 1 0\n", "a.ply"},
      {compressed_pcd(), "a.pcd"},
      {pcd_header("ascii", "U") + "1 2 3 9 9 0\n1 2 3 9 9 77\n", "a.pcd"},
      {npy("<f4", "(2, 3)", floats(kPositions)), "a.npy"}};
  const auto try_to_read = [](const std::string& file, const std::string& name) {
    try {
      decode(file, name, {.max_points = 1000});
    } catch (const InputError&) {
    } catch (const UnsupportedError&) {
    }
  };
  for (const auto& [file, name] : files) {
    for (size_t size = 0; size < file.size(); ++size) try_to_read(file.substr(0, size), name);
    for (int round = 0; round < 3000; ++round) {
      std::string mutated = file;
      for (uint64_t n = 1 + rng.next() % 4; n > 0; --n)
        mutated[rng.next() % mutated.size()] = static_cast<char>(rng.next());
      try_to_read(mutated, name);
    }
  }
}

}  // namespace
}  // namespace isthmus::media
