#include "serving/media_desk.h"

#include <chrono>
#include <future>

namespace isthmus::serving {
namespace {

class Interruptions : public nn::Probe {
 public:
  explicit Interruptions(const std::function<void()>& between_blocks)
      : between_blocks_(between_blocks) {}
  bool wants(std::string_view) const override { return false; }
  void see(std::string_view, const torch::Tensor&) override {}
  void between_blocks() override { between_blocks_(); }

 private:
  const std::function<void()>& between_blocks_;
};

}  // namespace

std::shared_ptr<const engine::CachedMedia> MediaDesk::load(engine::MediaLoader& loader,
                                                           const families::MediaSource& source) {
  ++queries_;
  const auto identity = engine::identity_of(*source.part);
  if (auto known = loader.find(identity)) {
    ++hits_;
    return known;
  }
  // Whatever happens, its destructor waits for the thread, which reads the request.
  auto fresh = std::async(std::launch::async, [&] { return loader.prepare(source, identity); });
  constexpr auto kGlance = std::chrono::milliseconds(2);
  while (fresh.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
    if (!meanwhile_.others()) fresh.wait_for(kGlance);
  Interruptions interruptions(meanwhile_.between_blocks);
  std::vector<engine::FreshMedium> media;
  media.push_back(fresh.get());
  return loader.encode(std::move(media), &interruptions).front();
}

}  // namespace isthmus::serving
