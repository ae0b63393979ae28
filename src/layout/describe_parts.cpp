#include "layout/describe_parts.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "formats/bundle.h"

namespace isthmus::layout {

namespace {

void note_stored(const StoredTensor& tensor, std::set<std::string>& dtypes, PartDescription& part) {
  // Shapes are those of files that were checked when opened.
  if (tensor.blocks) {
    const formats::GgmlBlock block = formats::block_of(*tensor.blocks);
    part.stored_bytes +=
        num_elements(tensor.shape).value_or(0) / block.elements * static_cast<int64_t>(block.bytes);
    dtypes.insert(std::string(block.name));
  } else {
    part.stored_bytes +=
        static_cast<int64_t>(formats::bytes_of(tensor.dtype, tensor.shape).value_or(0));
    dtypes.insert(std::string(name_of(tensor.dtype)));
  }
  part.source = formats::path_for_users(tensor.source).string();
}

}  // namespace

PartDescription describe_part(const std::string& name, std::string architecture,
                              const std::vector<ModuleNode::Parameter>& expected,
                              const StoredTensors& stored, ModelDescription& whole) {
  PartDescription part{};
  part.name = name;
  part.architecture = std::move(architecture);
  std::set<std::string> dtypes;
  std::vector<std::string> problems;
  bool any_stored = false;
  for (const auto& [parameter, shape] : expected) {
    ++part.num_tensors;
    part.num_parameters += num_elements(shape).value_or(0);
    const auto found = stored.find(parameter);
    if (found == stored.end()) {
      problems.push_back(fmt::format("{}: missing", parameter));
      continue;
    }
    any_stored = true;
    note_stored(found->second, dtypes, part);
    if (found->second.shape != shape)
      problems.push_back(fmt::format("{} is {}, the config needs {}", parameter,
                                     isthmus::to_string(found->second.shape),
                                     isthmus::to_string(shape)));
  }
  part.dtypes.assign(dtypes.begin(), dtypes.end());
  // A part no file holds is said once, by its empty source.
  if (any_stored) {
    whole.num_problems += static_cast<int64_t>(problems.size());
    constexpr size_t kMostShown = 10;
    for (const std::string& problem : problems)
      if (whole.problems.size() < kMostShown) whole.problems.push_back(problem);
  }
  return part;
}

PartDescription describe_stored_part(const std::string& name, std::string architecture,
                                     const StoredTensors& stored) {
  PartDescription part{};
  part.name = name;
  part.architecture = std::move(architecture);
  std::set<std::string> dtypes;
  for (const auto& [parameter, tensor] : stored) {
    ++part.num_tensors;
    part.num_parameters += num_elements(tensor.shape).value_or(0);
    note_stored(tensor, dtypes, part);
  }
  part.dtypes.assign(dtypes.begin(), dtypes.end());
  return part;
}

void sum_parts(ModelDescription& d) {
  d.num_parameters = d.num_tensors = d.stored_bytes = 0;
  for (const PartDescription& part : d.parts) {
    d.num_parameters += part.num_parameters;
    d.num_tensors += part.num_tensors;
    d.stored_bytes += part.stored_bytes;
  }
}

std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (auto place = static_cast<std::ptrdiff_t>(digits.size()) - 3; place > 0; place -= 3)
    digits.insert(static_cast<size_t>(place), 1, ',');
  return digits;
}

std::string bytes_text(int64_t bytes) {
  constexpr double kUnit = 1024;
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / kUnit;
  for (const char* unit : {"KiB", "MiB", "GiB"}) {
    if (value < kUnit) return fmt::format("{:.2f} {}", value, unit);
    value /= kUnit;
  }
  return fmt::format("{:.2f} TiB", value);
}

std::string parts_text(const ModelDescription& d) {
  size_t width = 8;
  for (const PartDescription& part : d.parts) width = std::max(width, part.name.size());
  std::string text = fmt::format("{}: {}, {}\n\n", d.name, d.layout, d.contents);
  for (const PartDescription& part : d.parts) {
    text += fmt::format("{:<{}} {}\n", part.name, width, part.architecture);
    text += fmt::format("{:<{}} {} parameters in {} tensors", "", width,
                        grouped(part.num_parameters), part.num_tensors);
    text += part.source.empty() ? std::string(", no file\n")
                                : fmt::format(", {} of {} in {}\n", bytes_text(part.stored_bytes),
                                              fmt::join(part.dtypes, " and "), part.source);
  }
  text += fmt::format("{:<{}} {} parameters in {} tensors, {}\n", "total", width,
                      grouped(d.num_parameters), d.num_tensors, bytes_text(d.stored_bytes));
  if (!d.stages.empty()) text += "\n";
  for (const StageDescription& stage : d.stages) {
    text += fmt::format("{}: {} trained", stage.name, fmt::join(stage.trained, ", "));
    text += stage.frozen.empty() ? std::string("\n")
                                 : fmt::format("; {} frozen\n", fmt::join(stage.frozen, ", "));
  }
  return text;
}

std::string problems_text(const ModelDescription& d) {
  if (d.num_problems == 0) return "";
  std::string text = fmt::format("\n{} tensors do not fit the config:\n", d.num_problems);
  for (const std::string& problem : d.problems) text += fmt::format("  {}\n", problem);
  return text;
}

nlohmann::json parts_json(const ModelDescription& d) {
  nlohmann::json parts = nlohmann::json::array(), stages = nlohmann::json::array();
  for (const PartDescription& part : d.parts)
    parts.push_back({{"name", part.name},
                     {"architecture", part.architecture},
                     {"parameters", part.num_parameters},
                     {"tensors", part.num_tensors},
                     {"bytes", part.stored_bytes},
                     {"dtypes", part.dtypes},
                     {"source", part.source}});
  for (const StageDescription& stage : d.stages)
    stages.push_back({{"name", stage.name}, {"trained", stage.trained}, {"frozen", stage.frozen}});
  return {{"name", d.name},
          {"layout", d.layout},
          {"contents", d.contents},
          {"parts", std::move(parts)},
          {"parameters", d.num_parameters},
          {"tensors", d.num_tensors},
          {"bytes", d.stored_bytes},
          {"stages", std::move(stages)},
          {"problems", d.problems},
          {"num_problems", d.num_problems}};
}

}  // namespace isthmus::layout
