// What is told of a model of any family: its parts, their sizes and files, and how it was trained.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/dtype.h"
#include "formats/raw_tensor.h"
#include "layout/module_tree.h"

namespace isthmus::layout {

struct PartDescription {
  std::string name;          // encoder, aligner, decoder, adapter, …
  std::string architecture;  // "LLaMA, 32 layers of 4096, …"
  int64_t num_parameters;    // as the configs state them
  int64_t num_tensors;
  int64_t stored_bytes;             // 0 when no file holds the part
  std::vector<std::string> dtypes;  // as stored, sorted
  std::string source;               // the folder or file that holds it
};

// A training stage of the recipe and the parts it changes.
struct StageDescription {
  std::string name;
  std::vector<std::string> trained, frozen;
};

struct ModelDescription {
  std::string name, layout, contents;
  std::vector<PartDescription> parts;
  int64_t num_parameters, num_tensors, stored_bytes;
  std::vector<StageDescription> stages;
  std::vector<std::string> problems;  // tensors that are missing or have another shape, at most ten
  int64_t num_problems;
};

// A tensor of a file, without its values.
struct StoredTensor {
  Shape shape;
  DType dtype;
  std::filesystem::path source;
  std::optional<formats::GgmlType> blocks = {};  // in place of dtype
};
using StoredTensors = std::map<std::string, StoredTensor>;

// Sizes of the part `name`, whose parameters are all of `expected`, and its problems, which go to
// `whole`. A part no file holds has an empty source and no problems.
PartDescription describe_part(const std::string& name, std::string architecture,
                              const std::vector<ModuleNode::Parameter>& expected,
                              const StoredTensors& stored, ModelDescription& whole);

// A part that is what its files hold, as adapters are.
PartDescription describe_stored_part(const std::string& name, std::string architecture,
                                     const StoredTensors& stored);

// Adds the parts described so far up.
void sum_parts(ModelDescription& description);

// "7,062,902,784"; "13.16 GiB".
std::string grouped(int64_t number);
std::string bytes_text(int64_t bytes);

// Name, parts, total and stages, each line ended.
std::string parts_text(const ModelDescription& description);
// The tensors that do not fit, "" when all do.
std::string problems_text(const ModelDescription& description);
// An object with every field of a ModelDescription.
nlohmann::json parts_json(const ModelDescription& description);

}  // namespace isthmus::layout
