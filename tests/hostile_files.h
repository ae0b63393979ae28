// Broken files by the thousand, the same ones each time: whatever is made of a good one is read or
// refused with one clear line, and nothing else happens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "isthmus/error.h"

namespace isthmus {

// One mutation of a good file after the other: bytes changed, numbers set to the bounds of their
// types, pieces copied over others, taken out or put in twice, the end cut off.
class Mutations {
 public:
  // Most of them happen in the first `head` bytes, where lengths and types stand.
  Mutations(std::string good, size_t head, uint64_t seed)
      : good_(std::move(good)), head_(std::min(head, good_.size())), rng_(seed) {}

  const std::string& good() const { return good_; }
  const std::string& what() const { return what_; }  // what was done last, for messages

  std::string next() {
    std::string bytes = good_;
    what_.clear();
    for (uint64_t changes = 1 + below(4) / 2; changes > 0 && !bytes.empty(); --changes)
      change(bytes);
    return bytes;
  }

 private:
  uint64_t below(uint64_t bound) { return rng_.next() % bound; }
  size_t place(const std::string& bytes) {
    return below(below(8) == 0 ? bytes.size() : std::min(head_, bytes.size()));
  }
  void change(std::string& bytes) {
    const size_t at = place(bytes);
    const size_t length = std::min<size_t>(1 + below(below(4) == 0 ? 64 : 16), bytes.size() - at);
    switch (below(8)) {
      case 0:
      case 1:
        for (size_t i = 0; i < std::min<size_t>(length, 4); ++i)
          bytes[at + i] = static_cast<char>(rng_.next());
        note("bytes", at, length);
        break;
      case 2: {
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        note("a bit", at, 1);
        break;
      }
      case 3:
      case 4: {
        constexpr uint64_t kBounds[] = {0,          1,
                                        0x7f,       0x80,
                                        0xff,       0x7fff,
                                        0x8000,     0xffff,
                                        0x7fffffff, 0x80000000,
                                        0xffffffff, uint64_t{1} << 32,
                                        INT64_MAX,  uint64_t{1} << 63,
                                        UINT64_MAX, uint64_t{1} << 60};
        const uint64_t value = kBounds[below(std::size(kBounds))] - below(2);
        const size_t width = std::min<size_t>(size_t{1} << below(4), bytes.size() - at);
        std::memcpy(bytes.data() + at, &value, width);
        note(fmt::format("the number {:#x}", value), at, width);
        break;
      }
      case 5: {
        const size_t from = below(bytes.size() - length + 1);
        const std::string piece = bytes.substr(from, length);
        bytes.replace(at, length, piece);
        note(fmt::format("what stands at {}", from), at, length);
        break;
      }
      case 6:
        if (below(2) == 0)
          bytes.erase(at, length);
        else
          bytes.insert(at, bytes.substr(at, length));
        note("moved", at, length);
        break;
      default: bytes.resize(at); note("cut off", at, 0);
    }
  }
  void note(std::string_view how, size_t at, size_t length) {
    what_ += fmt::format("{}{} at {}, {} bytes", what_.empty() ? "" : "; ", how, at, length);
  }

  std::string good_;
  size_t head_;
  Rng rng_;
  std::string what_;
};

// What reads a broken file complains in one line that names it, and never of a bug of ours.
inline void survives(const std::filesystem::path& file, const std::string& bytes,
                     const std::string& what, const std::function<void()>& read) {
  std::filesystem::remove(file);  // whoever maps the last one keeps it
  std::ofstream(file, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  try {
    read();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(error.exit_code(), 70) << message << "\n" << file << ": " << what;
    EXPECT_NE(message.find(file.filename().string()), std::string::npos) << message << "\n"
                                                                         << file << ": " << what;
    for (const char c : message)
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\n') << message << "\n" << what;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not an Error: " << error.what() << "\n" << file << ": " << what;
  }
}

// `file` is written and read for the lengths of its head, a thousand at most, and for `rounds`
// mutations; the one that ends the program is still there afterwards. ISTHMUS_MUTATIONS=N in the
// environment takes N times as many.
inline void attack(const std::filesystem::path& file, const std::string& good, size_t head,
                   int rounds, const std::function<void()>& read) {
  ASSERT_FALSE(good.empty());
  survives(file, good, "whole", read);
  const size_t cuts = std::min(head, good.size());
  for (size_t length = 0; length < cuts; length += 1 + cuts / 1000)
    survives(file, good.substr(0, length), fmt::format("cut off at {}", length), read);
  const char* times = std::getenv("ISTHMUS_MUTATIONS");
  Mutations mutations(good, head, good.size());
  for (int64_t round = rounds * std::max<int64_t>(times ? std::atol(times) : 1, 1); round > 0;
       --round) {
    const std::string bytes = mutations.next();
    survives(file, bytes, mutations.what(), read);
    if (::testing::Test::HasFailure()) return;  // the file stays
  }
}

}  // namespace isthmus
