#include "families/llava/save_gguf.h"

#include <string>
#include <utility>
#include <vector>

#include "base/atomic_folder.h"
#include "base/check.h"
#include "formats/gguf_writer.h"
#include "isthmus/error.h"
#include "layout/gguf_names.h"
#include "layout/gguf_output.h"
#include "layout/llava_output.h"
#include "text/gguf_tokenizer.h"
#include "weights/publish.h"

namespace isthmus::families::llava {
namespace {

namespace fs = std::filesystem;
using formats::GgmlType;
using formats::GgufEntry;
using formats::GgufOutgoing;
using formats::RawTensor;

constexpr const char* kModelFile = "model.gguf";
constexpr const char* kProjectorFile = "mmproj.gguf";

// Rows of a head from halves to pairs, [2, dims / 2] to [dims / 2, 2], as a view.
RawTensor in_pairs(const RawTensor& raw, int64_t head_dim) {
  RawTensor view = raw;
  const int64_t heads = raw.shape[0] / head_dim, row = raw.strides[0];
  view.shape = {heads, head_dim / 2, 2};
  view.strides = {head_dim * row, row, head_dim / 2 * row};
  view.shape.insert(view.shape.end(), raw.shape.begin() + 1, raw.shape.end());
  view.strides.insert(view.strides.end(), raw.strides.begin() + 1, raw.strides.end());
  return view;
}

class GgufModelWriter {
 public:
  GgufModelWriter(LlavaModules& modules, const LlavaSettings& settings, const LlavaOrigin& origin,
                  GgufStorage storage)
      : settings_(settings),
        origin_(origin),
        storage_(storage),
        publisher_(modules, origin.sources,
                   {.dtype = std::nullopt, .frozen_from_files = !origin.lora_is_merged}) {}

  void write(const fs::path& target) {
    layout::refuse_other_weights(target, {kModelFile});
    AtomicFolder folder(target);
    write_language(folder.temporary() / kModelFile);
    if (settings_.tower) write_projector(folder.temporary() / kProjectorFile);
    folder.merge();
  }

 private:
  std::string name() const { return origin_.language.filename().string(); }

  // Of a matrix; everything else is float32.
  GgmlType matrix_type(const Shape& shape) const {
    if (storage_ == GgufStorage::kF32) return GgmlType::kF32;
    const int64_t block = formats::block_of(GgmlType::kQ8_0).elements;
    const bool fits = shape.size() == 2 && shape.back() % block == 0;
    return storage_ == GgufStorage::kQ8_0 && fits ? GgmlType::kQ8_0 : GgmlType::kF16;
  }

  std::vector<GgufEntry> with_storage(std::vector<GgufEntry> entries) const {
    constexpr uint32_t kFileTypes[] = {0, 1, 7};  // ALL_F32, MOSTLY_F16, MOSTLY_Q8_0
    entries.push_back({"general.file_type", kFileTypes[static_cast<size_t>(storage_)]});
    entries.push_back({"general.quantization_version", uint32_t{2}});
    return entries;
  }

  GgufOutgoing outgoing(const std::string& slot, const formats::NameMap& names) const {
    const auto name = names.to_file(slot);
    ISTHMUS_CHECK(name.has_value(), slot + " has no name in llama.cpp's files");
    GgufOutgoing out{publisher_.tensor(slot, *name), GgmlType::kF32};
    // llama.cpp adds positions as float32.
    const bool is_matrix =
        out.tensor.shape.size() > 1 && !slot.ends_with("position_embedding.weight");
    if (is_matrix) out.type = matrix_type(out.tensor.shape);
    const bool rotated = slot.find(".self_attn.q_proj.") != std::string::npos ||
                         slot.find(".self_attn.k_proj.") != std::string::npos;
    if (rotated && slot.starts_with("decoder."))
      out.tensor.values = [values = out.tensor.values, dims = settings_.config.text.head_dim] {
        return in_pairs(values(), dims);
      };
    return out;
  }

  void write_language(const fs::path& file) const {
    auto entries = with_storage(layout::gguf_language_entries(settings_.config, name(),
                                                              settings_.prompts.default_template));
    for (GgufEntry& entry :
         text::gguf_entries(*settings_.tokenizer, settings_.config.text.vocab_size))
      entries.push_back(std::move(entry));
    const formats::NameMap names = layout::gguf_language_names("llama");
    std::vector<GgufOutgoing> tensors;
    for (const std::string& slot : publisher_.slots())
      if (slot.starts_with("decoder.")) tensors.push_back(outgoing(slot, names));
    formats::write_gguf(file, entries, tensors);
  }

  bool is_behind_features(const std::string& slot) const {
    constexpr std::string_view kLayers = "encoder.encoder.layers.";
    if (slot.starts_with("encoder.post_layernorm.")) return true;
    return slot.starts_with(kLayers) &&
           std::stoll(slot.substr(kLayers.size())) >=
               layout::feature_blocks(settings_.config, *settings_.tower);
  }

  void write_projector(const fs::path& file) const {
    const layout::LlavaConfig& config = settings_.config;
    const auto entries = with_storage(
        layout::gguf_vision_entries(config, *settings_.tower, settings_.image, name()));
    const formats::NameMap names = layout::gguf_projector_names(
        config.projector_type == layout::ProjectorType::kLinear, /*swapped=*/false);
    std::vector<GgufOutgoing> tensors;
    for (const std::string& slot : publisher_.slots())
      if (!slot.starts_with("decoder.") && !is_behind_features(slot))
        tensors.push_back(outgoing(slot, names));
    formats::write_gguf(file, entries, tensors);
  }

  const LlavaSettings& settings_;
  const LlavaOrigin& origin_;
  GgufStorage storage_;
  weights::Publisher publisher_;
};

}  // namespace

void save_gguf(LlavaModules& modules, const LlavaSettings& settings, const LlavaOrigin& origin,
               const fs::path& folder, GgufStorage storage) {
  GgufModelWriter(modules, settings, origin, storage).write(folder);
}

}  // namespace isthmus::families::llava
