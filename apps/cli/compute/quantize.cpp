#include "quantize.h"

#include <filesystem>
#include <iostream>

#include <fmt/format.h>

#include "../progress.h"
#include "engine/load.h"
#include "families/package.h"
#include "families/registry.h"
#include "families/storage.h"
#include "formats/bundle.h"
#include "isthmus/error.h"
#include "training/estimate.h"

namespace isthmus::cli {
namespace {

namespace fs = std::filesystem;

LoadOptions storage_of(const Options& options, const families::Package& package) {
  const std::string usual = package.storage_was_chosen ? "stored" : "q8";
  LoadOptions load = options.load;
  if (!options.storage_given.contains("decoder")) load.decoder_storage = usual;
  if (!options.storage_given.contains("encoder")) load.encoder_storage = usual;
  if (!options.storage_given.contains("aligner")) load.aligner_storage = usual;
  return load;
}

}  // namespace

int quantize(const Options& options) {
  std::error_code ignored;
  if (fs::is_directory(options.out, ignored))
    throw UsageError(fmt::format("--out {}: is a folder; a file is written", options.out.string()));
  if (fs::equivalent(options.out, options.model, ignored))
    throw UsageError("--out is the model itself; what it is made of would be lost");
  engine::prepare_arithmetic(options.load);
  LoadOptions as_stored = options.load;
  as_stored.decoder_storage = as_stored.encoder_storage = as_stored.aligner_storage = "stored";
  const auto family = families::load_family(options.model, options.base, "", as_stored);
  const families::Package package = family->package();
  size_t before = 0;
  int64_t tensors = 0;
  for (const auto& part : package.weights) {
    before += part.source.checkpoint.total_bytes();
    tensors += static_cast<int64_t>(part.source.checkpoint.names().size());
  }
  Progress progress("quantize", tensors);
  const formats::BundleContents contents = families::contents_of(
      package, family->modules(), families::storage_options(storage_of(options, package)).storage,
      [&] { progress.advance(); });
  formats::write_bundle(options.out, contents);
  progress.finish();
  std::cout << fmt::format(
      "{}: {} of weights became {}\n", options.out.string(),
      training::bytes_in_words(static_cast<int64_t>(before)),
      training::bytes_in_words(static_cast<int64_t>(fs::file_size(options.out))));
  return 0;
}

}  // namespace isthmus::cli
