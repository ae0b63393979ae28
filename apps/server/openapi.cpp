#include "openapi.h"

#include <nlohmann/json.hpp>

#include "isthmus/version.h"
#include "routes.h"

namespace isthmus::server {
namespace {

using protocol::Json;

Json answers() {
  return {{"200", {{"description", "The answer, or a stream of it"}}},
          {"400", {{"description", "The request is wrong; the message names the field"}}},
          {"401", {{"description", "A key is missing or unknown"}}},
          {"403", {{"description", "That is not allowed here"}}},
          {"404", {{"description", "There is no such model, or it has no such aligner"}}},
          {"413", {{"description", "The body is too long"}}},
          {"503", {{"description", "Too many questions are waiting; Retry-After says how long"}}}};
}

// Fields that every body has. The rest of it is as the documentation of its API says, which
// docs/serving.md follows field by field.
Json body_of(const Route& route) {
  const auto with = [](Json properties, Json required) {
    return Json{{"required", true},
                {"content",
                 {{"application/json",
                   {{"schema",
                     {{"type", "object"},
                      {"properties", std::move(properties)},
                      {"required", std::move(required)}}}}}}}};
  };
  const Json text{{"type", "string"}};
  if (route.kind == Route::Kind::kAddAligner)
    return with({{"name", text}, {"path", text}, {"model", text}}, Json::array({"name", "path"}));
  if (route.kind == Route::Kind::kAddLora)
    return with({{"lora_name", text}, {"lora_path", text}, {"base_model_name", text}},
                Json::array({"lora_name", "lora_path"}));
  if (route.kind == Route::Kind::kRemoveLora)
    return with({{"lora_name", text}}, Json::array({"lora_name"}));
  Json properties{{"model", {{"type", "string"}}}};
  if (route.kind == Route::Kind::kConversation) properties["stream"] = {{"type", "boolean"}};
  if (route.kind != Route::Kind::kShow) properties["aligner"] = {{"type", "string"}};
  return {{"required", true},
          {"content",
           {{"application/json",
             {{"schema", {{"type", "object"}, {"properties", std::move(properties)}}}}}}}};
}

Json in_path(const char* name) {
  return Json::array(
      {{{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}}});
}

}  // namespace

Json openapi() {
  Json paths = Json::object();
  for (const Route& route : posts())
    paths[route.path]["post"] = {
        {"summary", route.summary}, {"requestBody", body_of(route)}, {"responses", answers()}};
  for (const Look& look : gets()) {
    Json& get = paths[look.path]["get"];
    get = {{"summary", look.summary},
           {"responses", {{"200", {{"description", "What is asked for"}}}}}};
    if (!look.needs_key) get["security"] = Json::array();
    if (std::string_view(look.path).ends_with("{model}")) get["parameters"] = in_path("model");
  }
  for (const Look& look : deletes())
    paths[look.path]["delete"] = {
        {"summary", look.summary}, {"parameters", in_path("aligner")}, {"responses", answers()}};
  return {{"openapi", "3.1.0"},
          {"info", {{"title", "Isthmus"}, {"version", version()}}},
          {"paths", std::move(paths)},
          {"components",
           {{"securitySchemes",
             {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}},
              {"key", {{"type", "apiKey"}, {"in", "header"}, {"name", "x-api-key"}}}}}}},
          {"security", Json::array({{{"bearer", Json::array()}}, {{"key", Json::array()}}})}};
}

}  // namespace isthmus::server
