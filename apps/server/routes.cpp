#include "routes.h"

#include <array>
#include <span>

#include "protocol/anthropic.h"
#include "protocol/native.h"
#include "protocol/ollama.h"
#include "protocol/openai_chat.h"
#include "protocol/openai_completions.h"
#include "protocol/openai_responses.h"

namespace isthmus::server {
namespace {

using protocol::Dialect;
using Kind = Route::Kind;

constexpr std::array kPosts{
    Route{"/v1/chat/completions", "Answer a conversation (OpenAI)", Kind::kConversation,
          Dialect::kOpenAi, protocol::open_chat},
    Route{"/v1/completions", "Continue a text (OpenAI)", Kind::kConversation, Dialect::kOpenAi,
          protocol::open_completions},
    Route{"/v1/responses", "Answer a conversation (OpenAI Responses)", Kind::kConversation,
          Dialect::kOpenAi, protocol::open_responses},
    Route{"/v1/embeddings", "Points of texts and media (OpenAI)", Kind::kEmbeddings,
          Dialect::kOpenAi},
    Route{"/v1/messages", "Answer a conversation (Anthropic)", Kind::kConversation,
          Dialect::kAnthropic, protocol::open_messages},
    Route{"/v1/messages/count_tokens", "Length of a prompt, media included (Anthropic)",
          Kind::kCountTokens, Dialect::kAnthropic},
    Route{"/api/chat", "Answer a conversation (Ollama)", Kind::kConversation, Dialect::kOllama,
          protocol::open_ollama_chat},
    Route{"/api/generate", "Answer a question (Ollama)", Kind::kConversation, Dialect::kOllama,
          protocol::open_ollama_generate},
    Route{"/api/embed", "Points of texts and media (Ollama)", Kind::kOllamaEmbeddings,
          Dialect::kOllama},
    Route{"/api/show", "What is known of a model (Ollama)", Kind::kShow, Dialect::kOllama},
    Route{"/api/isthmus", "Answer a request of docs/formats.md", Kind::kConversation,
          Dialect::kOpenAi, protocol::open_native},
    Route{"/v1/aligners", "Add an aligner or a LoRA to a model", Kind::kAddAligner,
          Dialect::kOpenAi},
    Route{"/v1/load_lora_adapter", "The same (vLLM)", Kind::kAddLora, Dialect::kOpenAi},
    Route{"/v1/unload_lora_adapter", "Take one away (vLLM)", Kind::kRemoveLora, Dialect::kOpenAi},
};

constexpr std::array kGets{
    Look{"/v1/models", "The models that are here"},
    Look{"/v1/models/{model}", "One of them"},
    Look{"/v1/aligners", "The aligners that models have besides their own"},
    Look{"/api/tags", "The models that are here (Ollama)", Dialect::kOllama},
    Look{"/api/ps", "The models that are loaded: all (Ollama)", Dialect::kOllama},
    Look{"/api/version", "The version (Ollama)", Dialect::kOllama},
    Look{"/health", "200 while requests are taken in, 503 when the server is leaving",
         Dialect::kOpenAi, false},
    Look{"/metrics", "Counters and times for Prometheus"},
    Look{"/openapi.json", "These routes"},
};

constexpr std::array kDeletes{
    Look{"/v1/aligners/{aligner}", "Take an aligner away; what it is answering is answered first"},
};

}  // namespace

std::span<const Route> posts() { return kPosts; }
std::span<const Look> gets() { return kGets; }
std::span<const Look> deletes() { return kDeletes; }

protocol::Dialect dialect_of(const std::string& path) {
  if (path.starts_with("/v1/messages")) return Dialect::kAnthropic;
  return path.starts_with("/api/") && path != "/api/isthmus" ? Dialect::kOllama : Dialect::kOpenAi;
}

}  // namespace isthmus::server
