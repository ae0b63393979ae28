// Every route there is, as a table: the server registers it, /openapi.json describes it.
#pragma once

#include <span>
#include <string>

#include "api.h"
#include "protocol/failure.h"

namespace isthmus::server {

struct Route {
  enum class Kind {
    kConversation,
    kEmbeddings,
    kOllamaEmbeddings,
    kCountTokens,
    kShow,
    kAddAligner,
    kAddLora,
    kRemoveLora
  };

  const char *path, *summary;
  Kind kind;
  protocol::Dialect dialect;
  Api::Opener open = nullptr;  // kConversation
};

struct Look {
  const char *path, *summary;
  protocol::Dialect dialect = protocol::Dialect::kOpenAi;
  bool needs_key = true;
};

std::span<const Route> posts();
std::span<const Look> gets();
// "{aligner}" is the name of one, which may be behind that of its model.
std::span<const Look> deletes();
// The dialect of errors on a path that may not be in either table.
protocol::Dialect dialect_of(const std::string& path);

}  // namespace isthmus::server
