#include "openapi.h"

#include <initializer_list>
#include <nlohmann/json.hpp>

#include "isthmus/version.h"
#include "protocol/native.h"
#include "routes.h"
#include "schemas.h"

namespace isthmus::server {
namespace {

using protocol::Dialect;
using protocol::Json;

Json reference(std::string_view name) {
  return {{"$ref", "#/components/schemas/" + std::string(name)}};
}

std::string_view error_schema(Dialect dialect) {
  switch (dialect) {
    case Dialect::kAnthropic: return "AnthropicError";
    case Dialect::kOllama: return "OllamaError";
    case Dialect::kOpenAi: break;
  }
  return "OpenAiError";
}

// What ends in an error, in the words of its API.
void add_errors(Json& responses, Dialect dialect) {
  const Json content{{"application/json", {{"schema", reference(error_schema(dialect))}}}};
  const auto add = [&](const char* status, const char* description) {
    responses[status] = {{"description", description}, {"content", content}};
  };
  add("400", "The request is wrong; the message names the field");
  add("401", "A key is missing or unknown");
  add("403", "That is not allowed here");
  add("404", "There is no such thing");
  add("408", "The body took too long");
  add("413", "The body is too long");
  add("503", "Too many questions are waiting; Retry-After says how long");
  add("504", "The answer did not begin in the time that is allowed");
}

Json answers(const Route& route) {
  Json content = Json::object();
  const BodySchemas* bodies = body_schemas(route.path);
  content["application/json"] = {{"schema", bodies ? reference(bodies->answered) : Json::object()}};
  const bool lines = route.dialect == Dialect::kOllama || route.open == protocol::open_native;
  if (route.kind == Route::Kind::kConversation)
    content[lines ? "application/x-ndjson" : "text/event-stream"] = {
        {"schema", {{"type", "string"}}}};
  Json responses;
  responses["200"] = {{"description", "The answer, or a stream of it"},
                      {"content", std::move(content)}};
  add_errors(responses, route.dialect);
  return responses;
}

Json answers(const Look& look) {
  const BodySchemas* bodies = body_schemas(look.path);
  const bool text = std::string_view(look.path) == "/metrics";
  Json content;
  content[text ? "text/plain" : "application/json"] = {{"schema", text ? Json{{"type", "string"}}
                                                                  : bodies
                                                                      ? reference(bodies->answered)
                                                                      : Json{{"type", "object"}}}};
  Json responses;
  responses["200"] = {{"description", "What is asked for"}, {"content", std::move(content)}};
  add_errors(responses, look.dialect);
  return responses;
}

// Bodies about aligners: fields of text, of which the last may be left out where there is one model.
Json texts(std::initializer_list<const char*> needed, const char* model) {
  Json properties = Json::object(), required = Json::array();
  for (const char* name : needed) {
    properties[name] = {{"type", "string"}};
    required.push_back(name);
  }
  if (model != nullptr) properties[model] = {{"type", "string"}};
  return {
      {"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
}

Json schema_of_body(const Route& route) {
  switch (route.kind) {
    case Route::Kind::kAddAligner: return texts({"name", "path"}, "model");
    case Route::Kind::kAddLora: return texts({"lora_name", "lora_path"}, "base_model_name");
    case Route::Kind::kRemoveLora: return texts({"lora_name"}, nullptr);
    default: break;
  }
  const BodySchemas* bodies = body_schemas(route.path);
  return bodies ? reference(bodies->asked) : Json{{"type", "object"}};
}

Json body_of(const Route& route) {
  return {{"required", true},
          {"content", {{"application/json", {{"schema", schema_of_body(route)}}}}}};
}

// "model" is in every body; it may be left out where there is no other.
void add_model(Json& schemas, std::span<const std::string> models) {
  const Json name{{"type", "string"}, {"enum", Json(models)}};
  for (const Route& route : posts()) {
    const BodySchemas* bodies = body_schemas(route.path);
    if (bodies == nullptr) continue;
    Json& schema = schemas.at(std::string(bodies->asked));
    if (schema["properties"].contains("model")) continue;  // two routes share it
    schema["properties"]["model"] = name;
    if (models.size() > 1 && route.kind != Route::Kind::kShow)
      schema["required"].push_back("model");
  }
}

Json in_path(const char* name) {
  return Json::array(
      {{{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}}});
}

}  // namespace

Json openapi(std::span<const std::string> models, bool needs_key) {
  Json paths = Json::object();
  for (const Route& route : posts())
    paths[route.path]["post"] = {
        {"summary", route.summary}, {"requestBody", body_of(route)}, {"responses", answers(route)}};
  for (const Look& look : gets()) {
    Json& get = paths[look.path]["get"];
    get = {{"summary", look.summary}, {"responses", answers(look)}};
    if (!look.needs_key) get["security"] = Json::array();
    if (std::string_view(look.path).ends_with("{model}"))
      get["parameters"] =
          Json::array({{{"name", "model"},
                        {"in", "path"},
                        {"required", true},
                        {"schema", {{"type", "string"}, {"examples", Json(models)}}}}});
  }
  for (const Look& look : deletes())
    paths[look.path]["delete"] = {{"summary", look.summary},
                                  {"parameters", in_path("aligner")},
                                  {"responses", answers(look)}};
  Json schemas = component_schemas();
  add_model(schemas, models);
  Json document{{"openapi", "3.1.0"},
                {"info", {{"title", "Isthmus"}, {"version", version()}}},
                {"paths", std::move(paths)},
                {"components", {{"schemas", std::move(schemas)}}}};
  if (!needs_key) return document;
  document["components"]["securitySchemes"] = {
      {"bearer", {{"type", "http"}, {"scheme", "bearer"}}},
      {"key", {{"type", "apiKey"}, {"in", "header"}, {"name", "x-api-key"}}}};
  document["security"] = Json::array({{{"bearer", Json::array()}}, {{"key", Json::array()}}});
  return document;
}

}  // namespace isthmus::server
