// Truncated and mutated files of every format either load or are refused with an Error; nothing
// else happens.
#include <algorithm>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "formats/checkpoint.h"
#include "formats/npy.h"
#include "formats/safe_unpickler.h"
#include "formats/safetensors.h"
#include "formats/torch_checkpoint.h"
#include "formats/zip.h"
#include "helpers.h"

namespace isthmus::formats {
namespace {

using namespace testing_helpers;

using Reader = std::function<std::vector<RawTensor>(const std::shared_ptr<const MappedFile>&)>;

// Loads the bytes and reads every element of what came out. True when they loaded.
bool survives(const std::string& name, const std::string& bytes, const Reader& read) {
  const auto file = MappedFile::open(put_file(name, bytes));
  try {
    for (const RawTensor& tensor : read(file)) {
      const auto whole = file->bytes();
      if (!tensor.bytes.empty()) {
        EXPECT_GE(tensor.bytes.data(), whole.data());
        EXPECT_LE(tensor.bytes.data() + tensor.bytes.size(), whole.data() + whole.size());
      }
      const auto extent =
          extent_within(tensor.shape, tensor.strides, static_cast<int64_t>(whole.size()));
      EXPECT_TRUE(extent.has_value()) << tensor.name;
      EXPECT_EQ(tensor.bytes.size(),
                static_cast<size_t>(extent.value_or(0)) * size_of(tensor.dtype));
      for_each_contiguous_piece(tensor, [](std::span<const std::byte>) {});
    }
    return true;
  } catch (const Error& error) {
    EXPECT_NE(error.exit_code(), 70) << error.what();
    return false;
  }
}

void attack(const std::string& name, const std::string& good, const Reader& read, size_t step) {
  ASSERT_TRUE(survives(name, good, read)) << name;
  for (size_t length = 0; length < good.size(); length += step)
    survives(name, good.substr(0, length), read);
  Rng rng(good.size());
  for (size_t at = 0; at < good.size(); at += step)
    for (const char mask : {'\x01', '\x80', '\xff'}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ mask);
      survives(name, bytes, read);
    }
  for (int round = 0; round < 300; ++round) {  // several bytes at once
    std::string bytes = good;
    for (int i = 0; i < 4; ++i) bytes[rng.next() % bytes.size()] = static_cast<char>(rng.next());
    survives(name, bytes, read);
  }
}

std::vector<RawTensor> read_torch(const std::shared_ptr<const MappedFile>& file) {
  return read_torch_checkpoint(file).tensors;
}

std::vector<RawTensor> few_tensors() {
  return {tensor_of<float>("a.weight", DType::kF32, {2, 3}, {0, 1, 2, 3, 4, 5}),
          tensor_of<uint16_t>("a.bias", DType::kF16, {2}, {1, 2}),
          tensor_of<int64_t>("n", DType::kI64, {}, {-7})};
}

TEST(HostileFiles, TorchZip) {
  const auto path = temporary("good.bin");
  write_torch_checkpoint(path, few_tensors());
  attack("hostile.bin", get_file(path), read_torch, 1);
}

TEST(HostileFiles, TorchZipOfTheReference) {
  // Weights are of no interest here, the pickle at the front and the directory at the end are.
  const auto path = fixture("adapters/model/llava-tiny-pretrain/mm_projector.bin");
  attack("hostile_reference.bin", get_file(path), read_torch, 3);
}

TEST(HostileFiles, TorchScript) {
  const auto path = temporary("good_script.pt");
  ZipWriter writer(path);
  writer.add("net/data/0", std::string(24, '\1'));
  writer.add("net/data/1", std::string(8, '\2'));
  writer.add("net/constants/0", std::string(4, '\3'));
  writer.add("net/data.pkl", script_pickle());
  writer.add("net/constants.pkl", "\x80\x02).");
  writer.finish();
  attack("hostile_script.pt", get_file(path), read_torch, 1);
}

TEST(HostileFiles, TorchScriptOfTheReference) {
  const auto path = std::filesystem::path(ISTHMUS_FIXTURES) /
                    "openflamingo/neox_rpj_every2/model/clip/ViT-tiny.pt";
  attack("hostile_reference.pt", get_file(path), read_torch, 2003);
}

TEST(HostileFiles, LegacyTorch) { attack("hostile_legacy.pt", legacy_checkpoint(), read_torch, 1); }

TEST(HostileFiles, Safetensors) {
  const auto path = temporary("good.safetensors");
  write_safetensors(path, few_tensors(), {{"format", "pt"}});
  attack(
      "hostile.safetensors", get_file(path),
      [](const auto& file) { return read_safetensors(file).tensors; }, 1);
}

TEST(HostileFiles, Npy) {
  const auto path = temporary("good.npy");
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  write_npy(path, DType::kF32, {2, 3}, std::as_bytes(std::span(values)));
  attack(
      "hostile.npy", get_file(path), [](const auto& file) { return std::vector{read_npy(file)}; },
      1);
}

TEST(HostileFiles, Index) {
  const auto folder = temporary("hostile_index");
  std::filesystem::create_directories(folder);
  write_safetensors(folder / "model-1.safetensors", few_tensors());
  const std::string index =
      R"({"metadata":{"total_size":36},"weight_map":{"a.weight":"model-1.safetensors",)"
      R"("a.bias":"model-1.safetensors","n":"model-1.safetensors"}})";
  attack(
      "hostile_index/model.safetensors.index.json", index,
      [&](const auto&) {
        Checkpoint::open(folder);
        return std::vector<RawTensor>{};
      },
      1);
}

// Random opcodes reach states that no mutation of a good file does.
TEST(HostileFiles, RandomOpcodes) {
  constexpr std::string_view kOpcodes =
      "(.012FIJKLMNQRSTUVXabcde}ghijl]opqrst)"
      "uGBC\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8f\x90\x91\x92\x93\x94\x95";
  Rng rng(7);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes;
    const size_t length = rng.next() % 60;
    for (size_t i = 0; i < length; ++i) {
      bytes += rng.next() % 8 == 0 ? static_cast<char>(rng.next() % 4)
                                   : kOpcodes[rng.next() % kOpcodes.size()];
      if (rng.next() % 16 == 0) bytes += "ccollections\nOrderedDict\n";
    }
    bytes += '.';
    try {
      pickle::unpickle(std::as_bytes(std::span(bytes)), "random");
    } catch (const ModelError&) {
    }
  }
}

}  // namespace
}  // namespace isthmus::formats
