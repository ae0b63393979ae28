// The two faces of a LlavaDescription.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "layout/describe_llava.h"

namespace isthmus::layout {

namespace {

// 7062902784 -> "7,062,902,784"
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

nlohmann::json to_json(const PicturePath& path) {
  nlohmann::json steps = nlohmann::json::array();
  for (const auto& step : path.steps) {
    nlohmann::json entry = {{"step", step.what}};
    if (!step.shape.empty()) entry["shape"] = step.shape;
    steps.push_back(std::move(entry));
  }
  return {{"size", {path.picture.width, path.picture.height}},
          {"best_resolution", {path.best_resolution.width, path.best_resolution.height}},
          {"grid", {path.grid_columns, path.grid_rows}},
          {"tiles", path.num_tiles},
          {"rows", path.num_rows},
          {"steps", std::move(steps)}};
}

}  // namespace

std::string to_text(const LlavaDescription& d) {
  std::string text = fmt::format("{}: {}, {}\n\n", d.name, d.layout, d.contents);
  for (const PartDescription& part : d.parts) {
    text += fmt::format("{:<8} {}\n", part.name, part.architecture);
    text += fmt::format("         {} parameters in {} tensors", grouped(part.num_parameters),
                        part.num_tensors);
    text += part.source.empty() ? std::string(", no file\n")
                                : fmt::format(", {} of {} in {}\n", bytes_text(part.stored_bytes),
                                              fmt::join(part.dtypes, " and "), part.source);
  }
  text += fmt::format("total    {} parameters in {} tensors, {}\n", grouped(d.num_parameters),
                      d.num_tensors, bytes_text(d.stored_bytes));
  if (!d.stages.empty()) text += "\n";
  for (const StageDescription& stage : d.stages) {
    text += fmt::format("{}: {} trained", stage.name, fmt::join(stage.trained, ", "));
    text += stage.frozen.empty() ? std::string("\n")
                                 : fmt::format("; {} frozen\n", fmt::join(stage.frozen, ", "));
  }
  if (!d.pictures.empty()) text += fmt::format("\n{}\n", to_string(d.pictures.front()));
  if (!d.pictures.empty() && d.pictures.front().grid_columns > 0) {
    text += "\nsize        best         tiles   rows\n";
    for (const PicturePath& path : d.pictures)
      text += fmt::format(
          "{:<11} {:<12} {:<7} {}\n", fmt::format("{}x{}", path.picture.width, path.picture.height),
          fmt::format("{}x{}", path.best_resolution.width, path.best_resolution.height),
          fmt::format("{}x{}+1", path.grid_columns, path.grid_rows), path.num_rows);
  }
  text += fmt::format("\ncontext  {} positions", d.max_position_embeddings);
  if (d.tokenizer_model_max_length)
    text += fmt::format(", sequences cut to {}", *d.tokenizer_model_max_length);
  text += fmt::format("\ntemplate {}\n", d.conversation_template);
  if (d.num_problems > 0) {
    text += fmt::format("\n{} tensors do not fit the config:\n", d.num_problems);
    for (const std::string& problem : d.problems) text += fmt::format("  {}\n", problem);
  }
  return text;
}

nlohmann::json to_json(const LlavaDescription& d) {
  nlohmann::json parts = nlohmann::json::array(), stages = nlohmann::json::array();
  nlohmann::json pictures = nlohmann::json::array();
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
  for (const PicturePath& path : d.pictures) pictures.push_back(to_json(path));
  nlohmann::json json = {{"name", d.name},
                         {"layout", d.layout},
                         {"contents", d.contents},
                         {"parts", std::move(parts)},
                         {"parameters", d.num_parameters},
                         {"tensors", d.num_tensors},
                         {"bytes", d.stored_bytes},
                         {"stages", std::move(stages)},
                         {"pictures", std::move(pictures)},
                         {"context_len", d.context_len},
                         {"max_position_embeddings", d.max_position_embeddings},
                         {"template", d.conversation_template},
                         {"problems", d.problems},
                         {"num_problems", d.num_problems}};
  if (d.tokenizer_model_max_length)
    json["tokenizer_model_max_length"] = *d.tokenizer_model_max_length;
  return json;
}

}  // namespace isthmus::layout
