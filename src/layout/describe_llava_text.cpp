// The two faces of a LlavaDescription.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "layout/describe_llava.h"

namespace isthmus::layout {

namespace {

// Also what tiles the picture is cut into.
nlohmann::json with_tiles(const PicturePath& path) {
  nlohmann::json json = to_json(path);
  json["best_resolution"] = {path.best_resolution.width, path.best_resolution.height};
  json["grid"] = {path.grid_columns, path.grid_rows};
  json["tiles"] = path.num_tiles;
  json["rows"] = path.num_rows;
  return json;
}

}  // namespace

std::string to_text(const LlavaDescription& d) {
  std::string text = parts_text(d);
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
  return text + problems_text(d);
}

nlohmann::json to_json(const LlavaDescription& d) {
  nlohmann::json pictures = nlohmann::json::array();
  for (const PicturePath& path : d.pictures) pictures.push_back(with_tiles(path));
  nlohmann::json json = parts_json(d);
  json["pictures"] = std::move(pictures);
  json["context_len"] = d.context_len;
  json["max_position_embeddings"] = d.max_position_embeddings;
  json["template"] = d.conversation_template;
  if (d.tokenizer_model_max_length)
    json["tokenizer_model_max_length"] = *d.tokenizer_model_max_length;
  return json;
}

}  // namespace isthmus::layout
