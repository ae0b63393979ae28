#include "progress.h"

#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>

namespace isthmus::cli {
namespace {

constexpr auto kBarInterval = std::chrono::milliseconds(100);
constexpr auto kLineInterval = std::chrono::seconds(10);
constexpr int64_t kBarWidth = 30;

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Progress::Progress(std::string label, int64_t total)
    : label_(std::move(label)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) != 0),
      start_(std::chrono::steady_clock::now()),
      drawn_(start_) {}

void Progress::advance(int64_t count) {
  done_ += count;
  const auto now = std::chrono::steady_clock::now();
  if (now - drawn_ <
      (terminal_ ? std::chrono::steady_clock::duration(kBarInterval) : kLineInterval))
    return;
  drawn_ = now;
  draw();
}

void Progress::finish() {
  if (terminal_) std::fputs("\r\033[K", stderr);
}

void Progress::draw() {
  const double elapsed = seconds(std::chrono::steady_clock::now() - start_);
  const double rate = elapsed > 0 ? static_cast<double>(done_) / elapsed : 0;
  const double left = rate > 0 ? static_cast<double>(total_ - done_) / rate : 0;
  const std::string figures = fmt::format("{}/{}  {:.2f}/s  {:.0f} s left{}{}", done_, total_, rate,
                                          left, detail_.empty() ? "" : "  ", detail_);
  if (terminal_) {
    const auto filled = static_cast<size_t>(kBarWidth * done_ / (total_ > 0 ? total_ : 1));
    fmt::print(stderr, "\r{} [{:<30}] {}\033[K", label_, std::string(filled, '#'), figures);
    std::fflush(stderr);
  } else {
    fmt::print(stderr, "{}: {}\n", label_, figures);
  }
}

}  // namespace isthmus::cli
