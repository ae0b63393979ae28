#include "quantize.h"

#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "../progress.h"
#include "base/atomic_file.h"
#include "base/temporary_folder.h"
#include "engine/load.h"
#include "engine/record_golden.h"
#include "families/package.h"
#include "families/registry.h"
#include "families/storage.h"
#include "formats/bundle.h"
#include "golden_questions.h"
#include "isthmus/error.h"
#include "isthmus/version.h"
#include "kernels/table.h"
#include "training/estimate.h"

namespace isthmus::cli {
namespace {

namespace fs = std::filesystem;

LoadOptions storage_of(const Options& options, const families::Package& package) {
  const bool chosen = package.storage_was_chosen || package.holds_blocks();
  const std::string usual = chosen ? "stored" : "q8";
  LoadOptions load = options.load;
  if (!options.storage_given.contains("decoder")) load.decoder_storage = usual;
  if (!options.storage_given.contains("encoder")) load.encoder_storage = usual;
  if (!options.storage_given.contains("aligner")) load.aligner_storage = usual;
  return load;
}

// The names of its arrays and media, of a few hundred bytes a question.
constexpr size_t kRoomForGolden = size_t{1} << 15;

// A file beside `out` that takes its place when it is finished, and is gone if it never is.
class Unfinished {
 public:
  explicit Unfinished(fs::path out) : path(fs::path(out) += ".unfinished"), out_(std::move(out)) {}
  ~Unfinished() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  void finish() const {
    std::error_code failure;
    fs::rename(path, out_, failure);
    if (failure)
      throw ResourceError(
          fmt::format("{}: cannot be written: {}", out_.string(), failure.message()));
  }

  const fs::path path;

 private:
  fs::path out_;
};

// Adds to the file what its model answers, as it is read back, and how far that is from the source.
// Returns the latter in words.
std::string record_golden(const fs::path& file, const std::shared_ptr<families::Family>& source,
                          const families::Package& package, const Options& options) {
  LoadOptions as_read;
  as_read.threads = options.load.threads;
  const auto written = engine::load_engine(file.string(), "", "", as_read);
  engine::Engine original(source, /*composed=*/false);
  const TemporaryFolder folder("isthmus-golden");
  const auto questions = golden_questions(written->family(), folder.path());
  const nlohmann::ordered_json about{{"version", version()}, {"kernels", kernels::isa_name()}};
  Progress progress("golden vectors", 2 * std::ssize(questions));
  const engine::SourceDistance distance =
      engine::record_golden(folder.path(), package.name, about, questions, *written, original,
                            [&] { progress.advance(); });
  progress.finish();
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder.path()))
    files[(fs::path(formats::kBundledCase) / entry.path().filename()).string()] =
        read_file(entry.path());
  formats::add_to_bundle(file, files);
  return fmt::format(
      "golden vectors of {} questions; against the source the same first token in {}, KL at most "
      "{:.2g} nats\n",
      distance.questions, distance.same_choice, distance.largest_kl);
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
  const bool records_golden = !options.given_flags.contains("--no-golden");
  const Unfinished file(options.out);
  formats::write_bundle(file.path, contents, records_golden ? kRoomForGolden : 0);
  progress.finish();
  std::string recorded;
  if (records_golden) recorded = record_golden(file.path, family, package, options);
  file.finish();
  std::cout << fmt::format(
      "{}: {} of weights became {}\n", options.out.string(),
      training::bytes_in_words(static_cast<int64_t>(before)),
      training::bytes_in_words(static_cast<int64_t>(fs::file_size(options.out))));
  std::cout << recorded;
  return 0;
}

}  // namespace isthmus::cli
