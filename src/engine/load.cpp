#include "engine/load.h"

#include <algorithm>
#include <thread>
#include <utility>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "engine/media_disk.h"
#include "families/registry.h"
#include "isthmus/error.h"
#include "nn/blas_setup.h"

namespace isthmus::engine {

void prepare_arithmetic(const LoadOptions& options) {
  if (options.device != "cpu")
    throw UnsupportedError(
        fmt::format("--device {}: this build computes on the cpu", options.device));
  const int threads = options.threads > 0
                          ? options.threads
                          : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  nn::setup_blas();
  at::set_num_threads(threads);
}

std::shared_ptr<DiskCache> media_files(const LoadOptions& options) {
  if (options.media_cache.empty()) return nullptr;
  if (options.composed)
    throw UsageError("--cache-dir: what --composed computes records gradients, and is not kept");
  const auto bytes = static_cast<uint64_t>(std::max<int64_t>(options.media_cache_bytes, 0));
  return std::make_shared<DiskCache>(options.media_cache, bytes);
}

std::unique_ptr<Engine> load_engine(const std::function<std::shared_ptr<families::Family>()>& load,
                                    const LoadOptions& options) {
  prepare_arithmetic(options);
  const nn::KvStorage cache = nn::parse_kv_storage(options.kv_cache);
  std::shared_ptr<families::Family> family = load();
  family->hold_cache_in(cache);
  auto engine = std::make_unique<Engine>(std::move(family), options.composed);
  if (auto files = media_files(options))
    engine->media().cache().keep_on(
        std::make_unique<MediaDisk>(engine->family(), std::move(files)));
  if (!options.draft.empty()) {
    LoadOptions own = options;
    own.vision.clear();
    own.decoder_storage = own.encoder_storage = own.aligner_storage = options.draft_storage;
    std::shared_ptr<families::Family> draft = families::load_family(options.draft, "", "", own);
    draft->hold_cache_in(cache);
    engine->draft_with(std::move(draft));
  }
  return engine;
}

std::unique_ptr<Engine> load_engine(const std::string& model, const std::string& base,
                                    const std::string& name, const LoadOptions& options) {
  return load_engine([&] { return families::load_family(model, base, name, options); }, options);
}

}  // namespace isthmus::engine
