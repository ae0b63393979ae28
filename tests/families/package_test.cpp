// A model written as one file is the model that was written, in whatever storage.
#include "families/package.h"

#include <gtest/gtest.h>

#include "error_message.h"
#include "families/registry.h"
#include "families/storage.h"
#include "new_folder.h"
#include "nn/quantised_matrix.h"
#include "nn/slots.h"
#include "saved_files.h"

namespace isthmus::families {
namespace {

namespace fs = std::filesystem;
using isthmus::testing::fresh_folder;

LoadOptions all_in(const std::string& storage) {
  LoadOptions options;
  options.decoder_storage = options.encoder_storage = options.aligner_storage = storage;
  return options;
}

std::shared_ptr<Family> load_with(const fs::path& model, const LoadOptions& options = {}) {
  return load_family(model.string(), "", "", options);
}

fs::path written(const fs::path& model, const std::string& storage) {
  const auto family = load_with(model);
  const fs::path file = fresh_folder() / (storage + ".isthmus");
  formats::write_bundle(file, contents_of(family->package(), family->modules(),
                                          storage_options(all_in(storage)).storage));
  return file;
}

class Packages : public ::testing::TestWithParam<const char*> {
 protected:
  fs::path model() const { return fs::path(ISTHMUS_FIXTURES) / GetParam(); }
};

TEST_P(Packages, HoldTheSameWeights) {
  for (const char* storage : {"stored", "bf16", "q8", "q4"}) {
    const auto before = load_with(model(), all_in(storage)),
               after = load_with(written(model(), storage));
    const auto left = nn::slots_of(before->modules()), right = nn::slots_of(after->modules());
    ASSERT_EQ(left.size(), right.size());
    for (size_t i = 0; i < left.size(); ++i) {
      EXPECT_EQ(left[i].name, right[i].name);
      EXPECT_TRUE(torch::equal(left[i].value(), right[i].value()))
          << storage << " " << left[i].name;
      if (!left[i].is_matrix()) continue;
      EXPECT_EQ(left[i].matrix()->dtype(), right[i].matrix()->dtype()) << left[i].name;
    }
    EXPECT_EQ(before->context_length(), after->context_length());
    EXPECT_EQ(before->tokenizer()->vocab_size(), after->tokenizer()->vocab_size());
  }
}

// Few bits can be taken as more again, and as fewer.
TEST_P(Packages, OfFewBitsAreHeldOtherwiseWhereAsked) {
  const fs::path file = written(model(), "q8");
  const auto blocks = load_with(file), wide = load_with(file, all_in("f32")),
             few = load_with(file, all_in("q4"));
  const auto left = nn::slots_of(blocks->modules()), right = nn::slots_of(wide->modules()),
             least = nn::slots_of(few->modules());
  for (size_t i = 0; i < left.size(); ++i) {
    EXPECT_TRUE(torch::equal(left[i].value(), right[i].value())) << left[i].name;
    if (!left[i].is_matrix()) continue;
    EXPECT_EQ(left[i].matrix()->dtype(), DType::kQ8);
    EXPECT_EQ(right[i].matrix()->dtype(), DType::kF32);
    EXPECT_NE(least[i].matrix()->dtype(), DType::kF32);
  }
}

// Nothing is copied: the blocks are the mapped file's.
TEST(Packages, BlocksAreUsedWhereTheyLie) {
  const fs::path file = written(fs::path(ISTHMUS_FIXTURES) / "onellm/tiny/model", "q4");
  const auto first = load_with(file), second = load_with(file);
  for (const nn::Slot& slot : nn::slots_of(first->modules())) {
    if (!slot.is_matrix()) continue;
    const auto* blocks = dynamic_cast<const nn::QuantisedMatrix*>(slot.matrix().get());
    ASSERT_NE(blocks, nullptr) << slot.name;
    for (const nn::Slot& other : nn::slots_of(second->modules()))
      if (other.name == slot.name) {
        EXPECT_EQ(blocks->blocks(),
                  dynamic_cast<const nn::QuantisedMatrix&>(*other.matrix()).blocks());
      }
  }
}

// What was trained on few bits is saved as a model of floats.
TEST(Packages, CanBeSavedAsPublishedAgain) {
  const fs::path model = fs::path(ISTHMUS_FIXTURES) / "onellm/tiny/model";
  const auto family = load_with(written(model, "q8"));
  const fs::path out = fresh_folder() / "out";
  family->save(out, {.dtype = "stored"});
  const auto again = load_with(out);
  const auto left = nn::slots_of(family->modules()), right = nn::slots_of(again->modules());
  for (size_t i = 0; i < left.size(); ++i)
    EXPECT_TRUE(torch::allclose(left[i].value(), right[i].value(), 1e-2, 1e-3)) << left[i].name;
}

TEST(Packages, AProjectorAloneIsToBeMergedFirst) {
  const fs::path adapters = fs::path(ISTHMUS_FIXTURES) / "llava/adapters/model";
  LoadOptions options;
  options.vision = adapters / "openai/clip-tiny-patch14-56";
  const auto family = load_family((adapters / "llava-tiny-pretrain").string(),
                                  (adapters / "vicuna-tiny").string(), "", options);
  EXPECT_NE(message_of<UsageError>([&] { family->package(); }).find("isthmus merge"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Families, Packages,
                         ::testing::Values("llava/v15_original/model/llava-v1.5-tiny",
                                           "onellm/tiny/model", "openflamingo/mpt7b_every1/model",
                                           "openflamingo/neox_rpj_every2/model"),
                         case_name);

}  // namespace
}  // namespace isthmus::families
