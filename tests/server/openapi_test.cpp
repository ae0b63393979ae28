// /openapi.json and the readers of bodies say the same: what is described is read, within the
// limits that are described. That nothing is read which is not described, and that answers are as
// described, tests/clients/run_schema.py holds.
#include <gtest/gtest.h>

#include "running_server.h"
#include "server/routes.h"
#include "server/schemas.h"

namespace isthmus::server {
namespace {

using nlohmann::json;

// A body that is answered, with all that lets other fields be read.
json good_body(const std::string& path) {
  const json messages = json::array({{{"role", "user"}, {"content", "Hi"}}});
  if (path == "/v1/chat/completions") return {{"messages", messages}, {"logprobs", true}};
  if (path == "/v1/completions" || path == "/api/generate")
    return path == "/api/generate" ? json{{"prompt", "Hi"}, {"logprobs", true}, {"stream", false}}
                                   : json{{"prompt", "Hi"}};
  if (path == "/v1/responses" || path == "/v1/embeddings" || path == "/api/embed")
    return {{"input", "Hi"}};
  if (path == "/v1/messages") return {{"messages", messages}, {"max_tokens", 4}};
  if (path == "/api/chat") return {{"messages", messages}, {"logprobs", true}, {"stream", false}};
  if (path == "/api/show") return {{"model", "scripted"}};
  return {{"messages", messages}};
}

json resolved(const json& document, const json& schema) {
  if (!schema.contains("$ref")) return schema;
  return document.at(json::json_pointer(schema.at("$ref").get<std::string>().substr(1)));
}

// Of a type that the schema does not allow.
json wrong_for(const json& schema) {
  if (schema.contains("type") && schema.at("type") == "string") return 7;
  if (schema.contains("anyOf") && schema.at("anyOf").front().contains("type")) return true;
  return "none of these";
}

struct Reader {
  explicit Reader(std::string route) : path(std::move(route)) {}

  Running running;
  std::string path;

  int status(const json& body) const { return running.post(path, body.dump())->status; }
  // Limits of `schema`, for a body that `with` makes of a value.
  template <typename With>
  void keeps_limits(const json& schema, const std::string& what, const With& with) const {
    const bool whole = schema.value("type", "") == "integer";
    const auto moved = [&](const json& limit, int by) {
      return whole ? json(limit.get<int64_t>() + by) : json(limit.get<double>() + 0.5 * by);
    };
    if (schema.contains("minimum")) {
      EXPECT_EQ(status(with(moved(schema.at("minimum"), -1))), 400) << what;
    }
    if (schema.contains("maximum")) {
      EXPECT_EQ(status(with(moved(schema.at("maximum"), 1))), 400) << what;
    }
    if (schema.contains("exclusiveMinimum")) {
      EXPECT_EQ(status(with(schema.at("exclusiveMinimum"))), 400) << what;
    }
    for (const char* limit : {"minimum", "maximum"})
      if (schema.contains(limit)) {
        EXPECT_EQ(status(with(schema.at(limit))), 200) << what;
      }
  }
};

TEST(OpenApi, EveryFieldOfABodyIsReadWithinItsLimits) {
  for (const Route& route : posts()) {
    const BodySchemas* bodies = body_schemas(route.path);
    if (bodies == nullptr) continue;
    const Reader reader(route.path);
    const json document = json_of(reader.running.get("/openapi.json"));
    const json good = good_body(route.path);
    ASSERT_EQ(reader.status(good), 200) << route.path;
    const json& schema = document.at("components").at("schemas").at(std::string(bodies->asked));
    for (const auto& [name, property] : schema.at("properties").items()) {
      const std::string key = name, what = route.path + (" " + name);
      const auto with = [&](const json& value) {
        json body = good;
        body[key] = value;
        return body;
      };
      const json kind = resolved(document, property);
      EXPECT_EQ(reader.status(with(wrong_for(kind))), 400) << what;
      reader.keeps_limits(kind, what, with);
    }
    for (const json& name : schema.value("required", json::array())) {
      json body = good;
      body.erase(name.get<std::string>());
      EXPECT_EQ(reader.status(body), 400) << route.path << " without " << name;
    }
  }
}

TEST(OpenApi, OllamasOptionsAreReadWithinTheirLimits) {
  const Reader reader("/api/generate");
  const json document = json_of(reader.running.get("/openapi.json"));
  const json& schema = document.at("components").at("schemas").at("OllamaOptions");
  for (const auto& [name, property] : schema.at("properties").items()) {
    const std::string key = name;
    const auto with = [&](const json& value) {
      json body = good_body("/api/generate");
      body["options"][key] = value;
      return body;
    };
    const json kind = resolved(document, property);
    EXPECT_EQ(reader.status(with(wrong_for(kind))), 400) << name;
    reader.keeps_limits(kind, name, with);
  }
}

TEST(OpenApi, ReferencesLeadSomewhere) {
  const json document = json_of(Running().get("/openapi.json"));
  const json flat = document.flatten();
  for (const auto& [place, value] : flat.items()) {
    if (!place.ends_with("/$ref")) continue;
    const std::string target = value.get<std::string>().substr(1);
    EXPECT_TRUE(document.contains(json::json_pointer(target))) << place;
  }
}

}  // namespace
}  // namespace isthmus::server
