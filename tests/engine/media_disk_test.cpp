// Media that are kept on disk: found by the next engine, and only by one that would make the same.
#include "engine/media_disk.h"

#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>

#include "engine/load.h"
#include "families/registry.h"
#include "isthmus/error.h"
#include "new_folder.h"
#include "nn/dense_matrix.h"
#include "nn/slots.h"

namespace isthmus::engine {
using torch::Tensor;

namespace {

namespace fs = std::filesystem;

const fs::path kDemo = fs::path(ISTHMUS_SOURCE_DIR) / "demo";

std::unique_ptr<Engine> engine_of(const fs::path& model, const fs::path& cache,
                                  const LoadOptions& others = {}) {
  LoadOptions options = others;
  options.media_cache = cache;
  return load_engine(model.string(), "", "", options);
}

Request question(const Part& medium) {
  Request request;
  request.messages.push_back({"user", {medium, Part::of_text("What is in this picture?")}});
  request.generate.max_new_tokens = 12;
  return request;
}

Part picture(const std::string& name = "table02.png") {
  return Part::of_image(kDemo / "pictures" / name);
}

const MediaDisk& disk_of(Engine& engine) { return *engine.media().cache().disk(); }

void expect_same(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.defined(), b.defined());
  if (!a.defined()) return;
  EXPECT_EQ(a.scalar_type(), b.scalar_type());
  EXPECT_TRUE(torch::equal(a, b));
}

// Of all three families: soft tokens, latents with keys and values, routing.
void expect_kept(const fs::path& model, const Part& medium) {
  SCOPED_TRACE(model);
  const fs::path folder = new_folder("media_disk");
  const Request request = question(medium);
  const auto plain = engine_of(model, "");
  const std::string answer = plain->generate(request, {}).text;
  const auto sources = media_sources(request);
  const auto fresh = plain->media().load(sources, nullptr).front();
  {
    const auto first = engine_of(model, folder);
    EXPECT_EQ(first->generate(request, {}).text, answer);
    EXPECT_EQ(disk_of(*first).queries(), 1);
    EXPECT_EQ(disk_of(*first).hits(), 0);
    EXPECT_EQ(first->generate(request, {}).text, answer);
    EXPECT_EQ(disk_of(*first).queries(), 1) << "it is in memory";
  }
  const auto second = engine_of(model, folder);
  EXPECT_EQ(second->generate(request, {}).text, answer);
  EXPECT_EQ(disk_of(*second).hits(), 1);

  const auto kept = second->media().load(sources, nullptr).front();
  EXPECT_EQ(kept->prepared.modality, fresh->prepared.modality);
  EXPECT_EQ(kept->prepared.shape, fresh->prepared.shape);
  EXPECT_EQ(kept->prepared.mean, fresh->prepared.mean);
  EXPECT_EQ(kept->prepared.deviation, fresh->prepared.deviation);
  EXPECT_EQ(kept->prepared.notes, fresh->prepared.notes);
  EXPECT_EQ(kept->prepared.geometry.resized_width, fresh->prepared.geometry.resized_width);
  EXPECT_EQ(kept->prepared.geometry.top, fresh->prepared.geometry.top);
  EXPECT_EQ(kept->prepared.geometry.num_tiles(), fresh->prepared.geometry.num_tiles());
  expect_same(kept->encoded.tokens, fresh->encoded.tokens);
  expect_same(kept->encoded.routing, fresh->encoded.routing);
  ASSERT_EQ(kept->encoded.memory == nullptr, fresh->encoded.memory == nullptr);
  if (fresh->encoded.memory == nullptr) return;
  expect_same(kept->encoded.memory->latents, fresh->encoded.memory->latents);
  ASSERT_EQ(kept->encoded.memory->layers.size(), fresh->encoded.memory->layers.size());
  for (size_t i = 0; i < fresh->encoded.memory->layers.size(); ++i) {
    expect_same(kept->encoded.memory->layers[i].key, fresh->encoded.memory->layers[i].key);
    expect_same(kept->encoded.memory->layers[i].value, fresh->encoded.memory->layers[i].value);
  }
}

TEST(MediaDisk, ARestartEncodesNothingAnewAndAnswersTheSame) {
  expect_kept(kDemo / "models/llava-v1.5", picture());
  expect_kept(kDemo / "models/flamingo", picture());
  expect_kept(kDemo / "models/onellm",
              Part::of_media("points", kDemo / "pictures" / "table02.ply"));
}

// A model of which one file or one option is another.
TEST(MediaDisk, OtherWeightsFindNothing) {
  const fs::path folder = new_folder("media_disk"), models = new_folder("media_disk");
  const fs::path model = models / "llava-v1.5";
  for (const char* part : {"llava-v1.5", "vision"})
    fs::copy(kDemo / "models" / part, models / part, fs::copy_options::recursive);
  const auto hits = [&](const LoadOptions& options = {}) {
    const auto engine = engine_of(model, folder, options);
    engine->generate(question(picture()), {});
    return disk_of(*engine).hits();
  };
  EXPECT_EQ(hits(), 0);
  EXPECT_EQ(hits(), 1);
  LoadOptions rounded;
  rounded.encoder_storage = "q8";
  EXPECT_EQ(hits(rounded), 0);
  rounded = {};
  rounded.aligner_storage = "q8";
  EXPECT_EQ(hits(rounded), 0);
  rounded = {};
  rounded.threads = 1;
  rounded.decoder_storage = "q8";
  rounded.kv_cache = "f16";
  EXPECT_EQ(hits(rounded), 1) << "media are the same whatever reads them";

  EXPECT_EQ(hits(), 1);
  for (const auto& file : fs::recursive_directory_iterator(models)) {
    if (file.path().filename() != "preprocessor_config.json") continue;
    std::ifstream in(file.path());
    std::string text(std::istreambuf_iterator<char>(in), {});
    const size_t mean = text.find("0.4");
    ASSERT_NE(mean, std::string::npos) << text;
    text.replace(mean, 3, "0.5");
    std::ofstream(file.path()) << text;
  }
  EXPECT_EQ(hits(), 0) << "pictures are prepared otherwise";
  EXPECT_EQ(hits(), 1);
  for (const auto& file : fs::recursive_directory_iterator(models))
    if (file.path().extension() == ".safetensors")
      fs::last_write_time(file.path(), fs::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(hits(), 0) << "the files may hold other weights now";
}

TEST(MediaDisk, TheIdentityOfAModelFollowsItsWeights) {
  const auto family = [] {
    return families::load_family((kDemo / "models/llava-v1.5").string(), "", "", {});
  };
  const auto one = family(), other = family();
  const ContentHash before = media_identity(*one);
  EXPECT_EQ(media_identity(*other), before);
  for (const nn::Slot& slot : nn::slots_of(other->modules())) {
    if (!slot.name.starts_with("aligner.") || slot.is_matrix()) continue;
    slot.set_tensor(slot.value() + 1e-6);
    break;
  }
  const ContentHash changed = media_identity(*other);
  EXPECT_NE(changed, before);
  for (const nn::Slot& slot : nn::slots_of(other->modules())) {
    if (!slot.name.starts_with("encoder.") || !slot.is_matrix()) continue;
    slot.set_matrix(std::make_shared<nn::DenseMatrix>(slot.matrix()->to_dense() * 1.001));
    break;
  }
  EXPECT_NE(media_identity(*other), changed);
}

TEST(MediaDisk, DamageCostsTheWorkAndNothingElse) {
  const fs::path model = kDemo / "models/llava-v1.5", folder = new_folder("media_disk");
  const Request request = question(picture());
  const std::string answer = engine_of(model, folder)->generate(request, {}).text;
  size_t files = 0;
  for (const auto& file : fs::directory_iterator(folder)) {
    ++files;
    fs::resize_file(file.path(), file.file_size() / 2);
  }
  EXPECT_EQ(files, 1u);
  testing::internal::CaptureStderr();
  EXPECT_EQ(engine_of(model, folder)->generate(request, {}).text, answer);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("it is removed"), std::string::npos);
  const auto third = engine_of(model, folder);
  EXPECT_EQ(third->generate(request, {}).text, answer);
  EXPECT_EQ(disk_of(*third).hits(), 1);
}

TEST(MediaDisk, BytesOfAMediumAreReadToTheirEndOrNotAtAll) {
  const auto engine = engine_of(kDemo / "models/flamingo", "");
  const Request request = question(picture());
  const std::string bytes =
      bytes_of(*engine->media().load(media_sources(request), nullptr).front());
  EXPECT_TRUE(medium_of(bytes));
  EXPECT_FALSE(medium_of(bytes + "x"));
  for (size_t length = 0; length < std::min<size_t>(bytes.size(), 2000); ++length)
    EXPECT_FALSE(medium_of(std::string_view(bytes).substr(0, length)));
  for (size_t at = 0; at < std::min<size_t>(bytes.size(), 2000); ++at) {  // whatever comes of it
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(0xff);
    medium_of(damaged);
  }
}

TEST(MediaDisk, GradientsAreNotKept) {
  LoadOptions composed;
  composed.composed = true;
  EXPECT_THROW(engine_of(kDemo / "models/llava-v1.5", new_folder("media_disk"), composed),
               UsageError);
}

}  // namespace
}  // namespace isthmus::engine
