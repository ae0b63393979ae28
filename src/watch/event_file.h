// What a run measured, for TensorBoard.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace isthmus {
class WireMessage;
}

namespace isthmus::watch {

// One file of TFRecord frames that hold Event messages (tensorflow/core/util/event.proto). It grows
// by whole frames, each given to the system at once, so TensorBoard may read while the run writes.
// A run that goes on opens another file in the same folder. Of one thread.
class EventFile {
 public:
  // <folder>/events.out.tfevents.<seconds since 1970>.<host>; a number is added where such a file
  // exists. Makes the folder. This and all below throw ResourceError when writing fails.
  explicit EventFile(const std::filesystem::path& folder);

  // A run that goes on after `step`: TensorBoard forgets what earlier files say of later steps.
  void resumed_after(int64_t step);
  // Tags with slashes are shown in groups: loss/train.
  void add_scalar(std::string_view tag, int64_t step, double value);
  // A PNG file; its size is read from its header. Throws InternalError for another one.
  void add_image(std::string_view tag, int64_t step, std::string_view png);
  void add_text(std::string_view tag, int64_t step, std::string_view markdown);

  const std::filesystem::path& path() const { return path_; }

 private:
  void add_value(int64_t step, const WireMessage& value);
  void add_event(const WireMessage& event);

  std::filesystem::path path_;
  std::ofstream stream_;
};

// Length, its masked CRC, the payload, its masked CRC: little-endian.
std::string tfrecord_frame(std::string_view payload);

}  // namespace isthmus::watch
