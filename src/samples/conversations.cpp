#include "samples/conversations.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/content_hash.h"
#include "samples/entries.h"

namespace isthmus::samples {
namespace {

namespace fs = std::filesystem;

// Keys of an entry that name its medium.
constexpr std::array<std::string_view, 8> kMediaKeys = {"image", "video",  "audio", "points",
                                                        "depth", "normal", "imu",   "fmri"};

std::string role_of(const JsonView& turn, std::string_view key) {
  const std::string role = turn.string(key);
  if (role == "human" || role == "user") return "user";
  if (role == "gpt" || role == "assistant") return "assistant";
  if (role == "system") return "system";
  turn.at(key).fail(fmt::format("\"{}\": expected human, gpt or system", role));
}

class Conversations final : public DataSet {
 public:
  Conversations(const fs::path& file, const ConversationOptions& options)
      : file_(file),
        folder_(options.folder.empty() ? file.parent_path() : options.folder),
        modality_(options.modality) {
    if (file.extension() == ".jsonl") {
      BrokenEntries broken(false);
      for_each_line(file, broken,
                    [&](int64_t number, const JsonView& entry) { add(entry, number); });
    } else {
      const JsonView rest = for_each_entry(file, [&](std::string_view key, const JsonView& entry) {
        if (key.empty()) add(entry, static_cast<int64_t>(samples_.size()));
      });
      if (!rest.is_array())
        throw InputError(fmt::format("{}: expected a list of conversations", file.string()));
    }
    fingerprint_ = hash_text(all_).hex();
    all_.clear();
    all_.shrink_to_fit();
  }

  size_t size() const override { return samples_.size(); }
  Sample at(size_t index) const override { return samples_.at(index); }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  void add(const JsonView& entry, int64_t number) {
    Sample sample;
    sample.name = fmt::format("{}[{}]", file_.filename().string(), number);
    if (const auto id = entry.find("id"))
      sample.name += fmt::format(
          " (id {})", id->is_string() ? id->as_string() : std::to_string(id->as_integer()));
    if (!add_map(sample, entry) && !add_window(sample, entry))
      for (const std::string_view key : kMediaKeys)
        if (const auto medium = entry.find(key))
          add_media(sample, key == "image" ? modality_ : std::string(key), *medium);
    if (const auto turns = entry.find("conversations")) {
      for (const JsonView& turn : turns->elements())
        sample.turns.push_back({role_of(turn, "from"), turn.string("value")});
    } else {
      for (const JsonView& message : entry.at("messages").elements())
        sample.turns.push_back(
            {role_of(message, "role"), content_of(message.at("content"), sample)});
    }
    for (const Turn& turn : sample.turns) all_ += turn.role + "\n" + turn.text + "\n";
    for (const Part& part : sample.media) all_ += part.path.string() + "\n";
    samples_.push_back(std::move(sample));
  }

  // A map of the scene whose picture stands under "image".
  bool add_map(Sample& sample, const JsonView& entry) const {
    for (const char* const modality : {"depth", "normal"})
      if (const auto map = entry.find(std::string(modality) + "_image")) {
        Part part = Part::of_media(modality, folder_ / map->as_string());
        part.rgb = folder_ / entry.string("image");
        sample.media.push_back(std::move(part));
        return true;
      }
    return false;
  }

  // A piece of a recording of motion.
  bool add_window(Sample& sample, const JsonView& entry) const {
    const auto path = entry.find("imu_path");
    if (!path) return false;
    Part part = Part::of_media("imu", folder_ / path->as_string());
    part.start = entry.number("window_start");
    part.end = entry.number("window_end");
    sample.media.push_back(std::move(part));
    return true;
  }

  void add_media(Sample& sample, const std::string& modality, const JsonView& files) const {
    if (files.is_array()) {
      for (const JsonView& file : files.elements())
        sample.media.push_back(Part::of_media(modality, folder_ / file.as_string()));
    } else {
      sample.media.push_back(Part::of_media(modality, folder_ / files.as_string()));
    }
  }

  // Text, or parts in their order: media become markers in the text.
  std::string content_of(const JsonView& content, Sample& sample) const {
    if (content.is_string()) return content.as_string();
    std::string text;
    for (const JsonView& part : content.elements()) {
      const std::string type = part.string("type");
      if (type == "text") {
        text += part.string("text");
        continue;
      }
      add_media(sample, type, part.at("path"));
      text += "<image>";
    }
    return text;
  }

  fs::path file_, folder_;
  std::string modality_;
  std::vector<Sample> samples_;
  std::string all_, fingerprint_;
};

}  // namespace

std::unique_ptr<DataSet> open_conversations(const fs::path& file,
                                            const ConversationOptions& options) {
  try {
    return std::make_unique<Conversations>(file, options);
  } catch (const ModelError& error) {  // JsonView speaks of models; here the fault is in the data
    throw InputError(error.what());
  }
}

}  // namespace isthmus::samples
