#include "training/training_state.h"

#include <algorithm>

#include <fmt/format.h>

#include "formats/safetensors.h"
#include "isthmus/error.h"
#include "weights/tensor_of.h"

namespace isthmus::training {
namespace {

namespace fs = std::filesystem;

TrainingState read(const fs::path& file) {
  const auto stored = formats::read_safetensors(MappedFile::open(file));
  const auto place = stored.metadata.find("place"), step = stored.metadata.find("step");
  if (place == stored.metadata.end() || step == stored.metadata.end())
    throw ModelError(fmt::format("{}: is no checkpoint of a training run", file.string()));
  TrainingState state;
  state.step = std::stoll(step->second);
  state.place = nlohmann::ordered_json::parse(place->second);
  for (const formats::RawTensor& raw : stored.tensors)
    state.tensors.emplace_back(raw.name, weights::tensor_of(raw).clone());
  return state;
}

}  // namespace

StateFolder::StateFolder(fs::path folder, int64_t keep)
    : folder_(std::move(folder)), keep_(std::max<int64_t>(keep, 1)) {}

std::vector<fs::path> StateFolder::files() const {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step-") && name.ends_with(".safetensors")) files.push_back(entry.path());
  }
  std::ranges::sort(files, std::greater());
  return files;
}

void StateFolder::save(const TrainingState& state) const {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) throw ResourceError(fmt::format("{}: {}", folder_.string(), error.message()));
  std::vector<formats::RawTensor> tensors;
  for (const auto& [name, tensor] : state.tensors) tensors.push_back(weights::raw_of(name, tensor));
  formats::write_safetensors(folder_ / fmt::format("step-{:09}.safetensors", state.step), tensors,
                             {{"step", std::to_string(state.step)}, {"place", state.place.dump()}});
  const auto all = files();
  for (size_t i = static_cast<size_t>(keep_); i < all.size(); ++i) fs::remove(all[i], error);
}

std::optional<TrainingState> StateFolder::newest(
    const std::function<void(const std::string&)>& on_damaged) const {
  for (const fs::path& file : files()) {
    try {
      return read(file);
    } catch (const std::exception& error) {
      on_damaged(error.what());
    }
  }
  return std::nullopt;
}

}  // namespace isthmus::training
