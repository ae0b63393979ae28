#include "trace.h"

#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "engine/load.h"
#include "formats/npy.h"
#include "isthmus/error.h"

namespace isthmus::cli {
namespace {

void write_array(const std::filesystem::path& file, const torch::Tensor& value) {
  const torch::Tensor dense = value.to(torch::kFloat32).contiguous();
  const Shape shape(dense.sizes().begin(), dense.sizes().end());
  formats::write_npy(
      file, DType::kF32, shape,
      {static_cast<const std::byte*>(dense.data_ptr()), static_cast<size_t>(dense.nbytes())});
}

}  // namespace

int trace(const Options& options) {
  const Request request = Request::load(options.request);
  const auto engine = engine::load_engine(options.model, options.base, "", options.load);
  const engine::Trace traced = engine->trace(request, options.hidden);

  std::error_code failure;
  std::filesystem::create_directories(options.out, failure);
  if (failure)
    throw ResourceError(
        fmt::format("{}: cannot be made: {}", options.out.string(), failure.message()));
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const engine::TracedTensor& tensor : traced.tensors) {
    const std::string file = tensor.name + ".npy";
    write_array(options.out / file, tensor.value);
    tensors.push_back({{"name", tensor.name},
                       {"file", file},
                       {"shape", tensor.value.sizes().vec()},
                       {"dtype", "float32"},
                       {"meaning", tensor.meaning}});
  }
  const nlohmann::ordered_json json{{"input_ids", traced.input_ids},
                                    {"output_ids", traced.output_ids},
                                    {"text", traced.text},
                                    {"finish_reason", traced.finish_reason},
                                    {"tensors", std::move(tensors)}};
  write_file(options.out / "trace.json", json.dump(1) + "\n");
  std::fprintf(stderr, "%zu stages written to %s\n", traced.tensors.size(), options.out.c_str());
  return 0;
}

}  // namespace isthmus::cli
