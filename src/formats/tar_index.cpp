#include "formats/tar_index.h"

#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "isthmus/error.h"

namespace isthmus::formats {
namespace {

constexpr uint64_t kBlock = 512;

// Fields of a header: where they begin and how long they are.
struct Field {
  size_t at, length;
};
constexpr Field kName{0, 100}, kSize{124, 12}, kChecksum{148, 8}, kPrefix{345, 155};
constexpr size_t kType = 156, kMagic = 257;

class Reader {
 public:
  explicit Reader(const MappedFile& file)
      : file_(file),
        bytes_(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()) {}

  std::vector<TarMember> members() {
    std::vector<TarMember> members;
    while (at_ + kBlock <= bytes_.size()) {
      const std::string_view header = bytes_.substr(at_, kBlock);
      if (header.find_first_not_of('\0') == std::string_view::npos) return members;  // the end
      check(header);
      const uint64_t size = next_size_ ? *next_size_ : number(header, kSize);
      const uint64_t begin = at_ + kBlock;
      if (size > bytes_.size() - begin)
        fail(fmt::format("a member of {} bytes, but the file ends after {}: it was cut off", size,
                         bytes_.size() - begin));
      const std::string_view content = bytes_.substr(begin, size);
      switch (header[kType]) {
        case 'L':
          next_name_ = text(content, {0, content.size()});
          break;
        case 'x':
          read_pax(content);
          break;
        case '0':
        case '7':
        case '\0':
          members.push_back({next_name_.value_or(name(header)), begin, size});
          [[fallthrough]];
        default:  // folders, links: nothing to read
          if (header[kType] != 'g') next_name_.reset();
          next_size_.reset();
      }
      at_ = begin + (size + kBlock - 1) / kBlock * kBlock;
    }
    if (at_ < bytes_.size()) fail("the file ends inside a header: it was cut off");
    return members;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(fmt::format("{}: at byte {}: {}", file_.path().string(), at_, what));
  }

  static std::string text(std::string_view block, Field field) {
    const std::string_view all = block.substr(field.at, field.length);
    return std::string(all.substr(0, all.find('\0')));
  }

  // Octal digits; or, for what does not fit them, base 256 behind a set top bit (GNU).
  uint64_t number(std::string_view header, Field field) const {
    const std::string_view digits = header.substr(field.at, field.length);
    uint64_t value = 0;
    if (static_cast<unsigned char>(digits[0]) & 0x80u) {
      for (const char c : digits.substr(4)) value = value << 8 | static_cast<unsigned char>(c);
      return value;
    }
    for (const char c : digits) {
      if (c >= '0' && c <= '7')
        value = value * 8 + static_cast<uint64_t>(c - '0');
      else if (c != ' ' && c != '\0')
        fail(at_ == 0 ? "no tar file: its first header holds a number that is none"
                      : "a header holds a number that is none: the file is damaged");
    }
    return value;
  }

  void check(std::string_view header) const {
    uint64_t sum = 0;
    for (size_t i = 0; i < kBlock; ++i)
      sum += i - kChecksum.at < kChecksum.length ? ' ' : static_cast<unsigned char>(header[i]);
    if (sum != number(header, kChecksum))
      fail(at_ == 0 ? "no tar file: its first header has a wrong checksum"
                    : "a header with a wrong checksum: the file is damaged");
  }

  static std::string name(std::string_view header) {
    const std::string own = text(header, kName);
    if (header.substr(kMagic, 6) != std::string_view("ustar\0", 6)) return own;
    const std::string prefix = text(header, kPrefix);
    return prefix.empty() ? own : prefix + "/" + own;
  }

  // Lines "LENGTH KEY=VALUE\n", of the member that follows.
  void read_pax(std::string_view content) {
    while (!content.empty()) {
      size_t length = 0;
      const auto [end, error] =
          std::from_chars(content.data(), content.data() + content.size(), length);
      const auto digits = static_cast<size_t>(end - content.data());
      if (error != std::errc() || length <= digits + 1 || length > content.size())
        fail("its pax header is damaged");
      const std::string_view record = content.substr(digits + 1, length - digits - 2);
      content.remove_prefix(length);
      const std::string_view key = record.substr(0, record.find('='));
      if (key.size() == record.size()) fail("its pax header is damaged");
      const std::string_view value = record.substr(key.size() + 1);
      if (key == "path") next_name_ = std::string(value);
      if (key == "size") {
        uint64_t size = 0;
        std::from_chars(value.data(), value.data() + value.size(), size);
        next_size_ = size;
      }
    }
  }

  const MappedFile& file_;
  std::string_view bytes_;
  uint64_t at_ = 0;
  std::optional<std::string> next_name_;
  std::optional<uint64_t> next_size_;
};

}  // namespace

std::vector<TarMember> index_tar(const MappedFile& file) { return Reader(file).members(); }

}  // namespace isthmus::formats
