#include "schemas.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

namespace isthmus::server {
namespace {

// Limits are those of src/protocol; tests/clients/run_schema.py and tests/server/openapi_test.cpp
// hold the two together. Fields that an API has and that are ignored here are left out.
constexpr const char* kShared = R"json({
"Bytes": {"type": "string", "minLength": 1, "pattern": "^(data:[a-z/]*;base64,)?([A-Za-z0-9+/]{4})+$",
  "description": "A file as base64, or as a data URI of base64",
  "examples": ["data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"]},
"Payload": {"anyOf": [{"$ref": "#/components/schemas/Bytes"},
  {"type": "object", "properties": {"url": {"$ref": "#/components/schemas/Bytes"}}, "required": ["url"]},
  {"type": "object", "properties": {"data": {"$ref": "#/components/schemas/Bytes"}, "format": {"type": "string"}}, "required": ["data"]}]},
"Part": {"oneOf": [
  {"type": "object", "required": ["type", "text"],
   "properties": {"type": {"enum": ["text", "input_text", "output_text"]}, "text": {"type": "string"}}},
  {"type": "object", "required": ["type", "image_url"],
   "properties": {"type": {"enum": ["image_url", "input_image"]}, "image_url": {"$ref": "#/components/schemas/Payload"}}},
  {"type": "object", "required": ["type", "audio_url"],
   "properties": {"type": {"const": "audio_url"}, "audio_url": {"$ref": "#/components/schemas/Payload"}}},
  {"type": "object", "required": ["type", "input_audio"],
   "properties": {"type": {"const": "input_audio"}, "input_audio": {"$ref": "#/components/schemas/Payload"}}},
  {"type": "object", "required": ["type", "video_url"],
   "properties": {"type": {"enum": ["video_url", "input_video"]}, "video_url": {"$ref": "#/components/schemas/Payload"}}},
  {"type": "object", "required": ["type", "source"],
   "properties": {"type": {"const": "image"}, "source": {"type": "object", "required": ["type", "data"],
     "properties": {"type": {"const": "base64"}, "media_type": {"type": "string"}, "data": {"$ref": "#/components/schemas/Bytes"}}}}},
  {"type": "object", "required": ["type", "data"],
   "properties": {"type": {"enum": ["image", "audio", "video", "points", "depth", "normal", "imu", "fmri"]},
     "data": {"$ref": "#/components/schemas/Payload"}, "rgb": {"$ref": "#/components/schemas/Payload"},
     "mask": {"$ref": "#/components/schemas/Payload"},
     "start": {"type": "number"}, "end": {"type": "number"}, "unit": {"enum": ["m", "mm"]},
     "crop": {"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4}}},
  {"type": "object", "required": ["type", "name", "input"],
   "properties": {"type": {"const": "tool_use"}, "id": {"type": "string"}, "name": {"type": "string"}, "input": {"type": "object"}}},
  {"type": "object", "required": ["type"],
   "properties": {"type": {"const": "tool_result"}, "tool_use_id": {"type": "string"}, "content": {"$ref": "#/components/schemas/Content"}}}]},
"Content": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/Part"}}]},
"Message": {"type": "object", "required": ["role", "content"],
  "properties": {"role": {"enum": ["system", "developer", "user", "assistant", "tool"]}, "content": {"$ref": "#/components/schemas/Content"},
    "tool_calls": {"type": "array", "items": {"$ref": "#/components/schemas/ToolCall"}}, "tool_call_id": {"type": "string"}}},
"ToolCall": {"type": "object", "required": ["function"], "properties": {"id": {"type": "string"}, "type": {"const": "function"},
  "function": {"type": "object", "required": ["name", "arguments"], "properties": {"name": {"type": "string"},
    "arguments": {"anyOf": [{"type": "object"}, {"type": "string", "examples": ["{}"]}], "description": "An object, or JSON text of one"}}}}},
"FunctionCall": {"type": "object", "required": ["type", "name", "arguments"], "properties": {"type": {"const": "function_call"},
  "call_id": {"type": "string"}, "name": {"type": "string"}, "arguments": {"type": "string", "examples": ["{}"]}}},
"FunctionCallOutput": {"type": "object", "required": ["type", "output"], "properties": {"type": {"const": "function_call_output"},
  "call_id": {"type": "string"}, "output": {"$ref": "#/components/schemas/Content"}}},
"Stop": {"anyOf": [{"type": "string", "minLength": 1},
  {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 64}]},
"Form": {"oneOf": [{"type": "object", "required": ["type"], "properties": {"type": {"enum": ["text", "json_object"]}}},
  {"type": "object", "required": ["type", "schema"],
   "properties": {"type": {"const": "json_schema"}, "schema": {"$ref": "#/components/schemas/JsonSchema"}}}]},
"NestedForm": {"oneOf": [{"type": "object", "required": ["type"], "properties": {"type": {"enum": ["text", "json_object"]}}},
  {"type": "object", "required": ["type", "json_schema"],
   "properties": {"type": {"const": "json_schema"}, "json_schema": {"type": "object", "required": ["schema"],
     "properties": {"name": {"type": "string"}, "schema": {"$ref": "#/components/schemas/JsonSchema"}}}}}]},
"JsonSchema": {"type": ["object", "boolean"], "examples": [{"type": "object", "properties": {"colour": {"type": "string"}}}]},
"LogitBias": {"type": "object", "propertyNames": {"pattern": "^[0-9]{1,6}$"},
  "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}},
"Tools": {"type": "array", "maxItems": 128, "items": {"type": "object"}, "description": "Functions of the client's; of templates that have a place for them"},
"ToolChoice": {"anyOf": [{"enum": ["none", "auto", "required"]}, {"type": "object"}]},
"StreamOptions": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
"OpenAiError": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object",
  "required": ["message", "type", "param", "code"], "properties": {"message": {"type": "string"}, "type": {"type": "string"},
    "param": {"type": ["string", "null"]}, "code": {"type": ["string", "null"]}}}}},
"AnthropicError": {"type": "object", "required": ["type", "error", "request_id"], "properties": {"type": {"const": "error"},
  "request_id": {"type": "string"}, "error": {"type": "object", "required": ["type", "message"],
    "properties": {"type": {"type": "string"}, "message": {"type": "string"}}}}},
"OllamaError": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
})json";

constexpr const char* kAsked = R"json({
"Chat": {"type": "object", "required": ["messages"], "properties": {
  "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}},
  "stream": {"type": "boolean"}, "stream_options": {"$ref": "#/components/schemas/StreamOptions"},
  "temperature": {"type": "number", "minimum": 0, "maximum": 100}, "top_p": {"type": "number", "minimum": 0, "maximum": 1},
  "top_k": {"type": "integer", "minimum": -1}, "repetition_penalty": {"type": "number", "exclusiveMinimum": 0},
  "seed": {"type": "integer"}, "max_tokens": {"type": "integer", "minimum": 1},
  "max_completion_tokens": {"type": "integer", "minimum": 1}, "stop": {"$ref": "#/components/schemas/Stop"},
  "n": {"type": "integer", "minimum": 1, "maximum": 16}, "logprobs": {"type": "boolean"},
  "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
  "response_format": {"$ref": "#/components/schemas/NestedForm"}, "grammar": {"type": "string"},
  "aligner": {"type": "string"}, "template": {"type": "string"},
  "min_p": {"type": "number", "minimum": 0, "maximum": 1}, "typical_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
  "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
  "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2}, "logit_bias": {"$ref": "#/components/schemas/LogitBias"},
  "tools": {"$ref": "#/components/schemas/Tools"}, "tool_choice": {"$ref": "#/components/schemas/ToolChoice"},
  "functions": {"type": "array"}}},
"Completion": {"type": "object", "required": ["prompt"], "properties": {
  "prompt": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 64},
    {"type": "array", "items": {"type": "integer"}, "minItems": 1},
    {"type": "array", "items": {"type": "array", "items": {"type": "integer"}, "minItems": 1}, "minItems": 1, "maxItems": 64},
    {"type": "array", "minItems": 1, "items": {"anyOf": [{"$ref": "#/components/schemas/Part"},
      {"type": "object", "required": ["type", "text"], "properties": {"type": {"const": "token"}, "text": {"type": "string"}}}]}}]},
  "stream": {"type": "boolean"}, "stream_options": {"$ref": "#/components/schemas/StreamOptions"},
  "temperature": {"type": "number", "minimum": 0, "maximum": 100}, "top_p": {"type": "number", "minimum": 0, "maximum": 1},
  "top_k": {"type": "integer", "minimum": -1}, "repetition_penalty": {"type": "number", "exclusiveMinimum": 0},
  "seed": {"type": "integer"}, "max_tokens": {"type": "integer", "minimum": 1}, "stop": {"$ref": "#/components/schemas/Stop"},
  "n": {"type": "integer", "minimum": 1, "maximum": 16}, "best_of": {"type": "integer"},
  "logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
  "response_format": {"$ref": "#/components/schemas/NestedForm"}, "grammar": {"type": "string"},
  "aligner": {"type": "string"}, "template": {"type": "string"}, "echo": {"type": "boolean"}, "suffix": {"type": "string"},
  "min_p": {"type": "number", "minimum": 0, "maximum": 1}, "typical_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
  "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
  "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2}, "logit_bias": {"$ref": "#/components/schemas/LogitBias"}}},
"Response": {"type": "object", "required": ["input"], "properties": {
  "input": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"anyOf": [
    {"$ref": "#/components/schemas/Message"}, {"$ref": "#/components/schemas/FunctionCall"},
    {"$ref": "#/components/schemas/FunctionCallOutput"}]}}]},
  "instructions": {"type": "string"}, "stream": {"type": "boolean"},
  "temperature": {"type": "number", "minimum": 0, "maximum": 100}, "top_p": {"type": "number", "minimum": 0, "maximum": 1},
  "top_k": {"type": "integer", "minimum": -1}, "repetition_penalty": {"type": "number", "exclusiveMinimum": 0},
  "min_p": {"type": "number", "minimum": 0, "maximum": 1}, "typical_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
  "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
  "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2}, "logit_bias": {"$ref": "#/components/schemas/LogitBias"},
  "seed": {"type": "integer"}, "max_output_tokens": {"type": "integer", "minimum": 1}, "stop": {"$ref": "#/components/schemas/Stop"},
  "include": {"type": "array", "items": {"type": "string"}}, "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
  "text": {"type": "object", "properties": {"format": {"$ref": "#/components/schemas/Form"}}}, "metadata": {"type": "object"},
  "background": {"type": "boolean"}, "previous_response_id": {"type": "null"}, "conversation": {"type": "null"},
  "prompt": {"type": "null"}, "grammar": {"type": "string"}, "aligner": {"type": "string"}, "template": {"type": "string"},
  "tools": {"$ref": "#/components/schemas/Tools"}, "tool_choice": {"$ref": "#/components/schemas/ToolChoice"},
  "functions": {"type": "array"}}},
"Embeddings": {"type": "object", "required": ["input"], "properties": {
  "input": {"anyOf": [{"type": "string", "minLength": 1}, {"$ref": "#/components/schemas/Part"},
    {"type": "array", "minItems": 1, "maxItems": 2048,
     "items": {"anyOf": [{"type": "string", "minLength": 1}, {"$ref": "#/components/schemas/Part"}]}}]},
  "encoding_format": {"enum": ["float", "base64"]}, "dimensions": {"type": "null"}}},
"CountTokens": {"type": "object", "required": ["messages"], "properties": {
  "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}},
  "system": {"$ref": "#/components/schemas/Content"}, "template": {"type": "string"},
  "tools": {"$ref": "#/components/schemas/Tools"}, "tool_choice": {"$ref": "#/components/schemas/ToolChoice"},
  "functions": {"type": "array"}}},
"Messages": {"type": "object", "required": ["messages", "max_tokens"], "properties": {
  "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Message"}},
  "system": {"$ref": "#/components/schemas/Content"}, "max_tokens": {"type": "integer", "minimum": 1},
  "stream": {"type": "boolean"}, "temperature": {"type": "number", "minimum": 0, "maximum": 100},
  "top_p": {"type": "number", "minimum": 0, "maximum": 1}, "top_k": {"type": "integer", "minimum": -1},
  "repetition_penalty": {"type": "number", "exclusiveMinimum": 0}, "seed": {"type": "integer"},
  "min_p": {"type": "number", "minimum": 0, "maximum": 1}, "typical_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
  "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
  "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2}, "logit_bias": {"$ref": "#/components/schemas/LogitBias"},
  "stop_sequences": {"$ref": "#/components/schemas/Stop"},
  "thinking": {"type": "object", "required": ["type"], "properties": {"type": {"const": "disabled"}}},
  "output_config": {"type": "object", "properties": {"format": {"$ref": "#/components/schemas/Form"}}},
  "grammar": {"type": "string"}, "aligner": {"type": "string"}, "template": {"type": "string"},
  "tools": {"$ref": "#/components/schemas/Tools"}, "tool_choice": {"$ref": "#/components/schemas/ToolChoice"},
  "functions": {"type": "array"}}},
"OllamaOptions": {"type": "object", "properties": {"template": {"type": "string"},
  "tool_choice": {"$ref": "#/components/schemas/ToolChoice"},
  "temperature": {"type": "number", "minimum": 0, "maximum": 100}, "top_p": {"type": "number", "minimum": 0, "maximum": 1},
  "top_k": {"type": "integer", "minimum": -1}, "repeat_penalty": {"type": "number", "exclusiveMinimum": 0},
  "seed": {"type": "integer"}, "stop": {"$ref": "#/components/schemas/Stop"}, "num_predict": {"type": "integer"},
  "repeat_last_n": {"type": "integer", "minimum": -1},
  "min_p": {"type": "number", "minimum": 0, "maximum": 1}, "typical_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
  "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
  "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2}, "logit_bias": {"$ref": "#/components/schemas/LogitBias"}}},
"OllamaFormat": {"anyOf": [{"enum": ["", "json"]}, {"type": "object"}]},
"OllamaChat": {"type": "object", "required": ["messages"], "properties": {
  "messages": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["role"], "properties": {
    "role": {"enum": ["system", "developer", "user", "assistant", "tool"]}, "content": {"$ref": "#/components/schemas/Content"},
    "images": {"type": "array", "items": {"$ref": "#/components/schemas/Bytes"}},
    "tool_calls": {"type": "array", "items": {"$ref": "#/components/schemas/ToolCall"}}, "tool_name": {"type": "string"}}}},
  "stream": {"type": "boolean"}, "options": {"$ref": "#/components/schemas/OllamaOptions"},
  "format": {"$ref": "#/components/schemas/OllamaFormat"}, "think": {"const": false}, "logprobs": {"type": "boolean"},
  "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20}, "aligner": {"type": "string"},
  "tools": {"$ref": "#/components/schemas/Tools"}, "tool_choice": {"$ref": "#/components/schemas/ToolChoice"},
  "functions": {"type": "array"}}},
"OllamaGenerate": {"type": "object", "required": ["prompt"], "properties": {
  "prompt": {"type": "string"}, "images": {"type": "array", "items": {"$ref": "#/components/schemas/Bytes"}},
  "system": {"type": "string"}, "raw": {"type": "boolean"}, "suffix": {"type": "string", "maxLength": 0},
  "template": {"type": "string", "maxLength": 0}, "context": {"type": "array", "maxItems": 0},
  "stream": {"type": "boolean"}, "options": {"$ref": "#/components/schemas/OllamaOptions"},
  "format": {"$ref": "#/components/schemas/OllamaFormat"}, "think": {"const": false}, "logprobs": {"type": "boolean"},
  "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20}, "aligner": {"type": "string"},
  "tools": {"type": "array"}, "functions": {"type": "array"}}},
"Show": {"type": "object", "properties": {"name": {"type": "string"}}},
"NativePart": {"anyOf": [{"type": "object", "required": ["type", "text"], "additionalProperties": false,
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}}},
  {"type": "object", "required": ["type", "data"], "additionalProperties": false,
   "properties": {"type": {"enum": ["image", "audio", "video", "points", "depth", "normal", "imu", "fmri"]},
     "data": {"$ref": "#/components/schemas/Bytes"}, "rgb_data": {"$ref": "#/components/schemas/Bytes"},
     "mask_data": {"$ref": "#/components/schemas/Bytes"},
     "start": {"type": "number"}, "end": {"type": "number"}, "unit": {"enum": ["m", "mm"]},
     "crop": {"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4}}}]},
"Native": {"type": "object", "additionalProperties": false, "properties": {
  "messages": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["role", "content"],
    "additionalProperties": false, "properties": {"role": {"enum": ["system", "user", "assistant"]},
      "content": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/NativePart"}}]}}}},
  "prompt": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"anyOf": [{"$ref": "#/components/schemas/NativePart"},
    {"type": "object", "required": ["type", "text"], "additionalProperties": false,
     "properties": {"type": {"const": "token"}, "text": {"type": "string"}}}]}}]},
  "prompt_ids": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
  "template": {"type": "string"}, "stream": {"type": "boolean"}, "answers": {"type": "integer", "minimum": 1, "maximum": 16},
  "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 1000}, "aligner": {"type": "string"},
  "form": {"oneOf": [{"type": "object", "required": ["schema"], "properties": {"schema": {"$ref": "#/components/schemas/JsonSchema"}}},
    {"type": "object", "required": ["grammar"], "properties": {"grammar": {"type": "string"}}}]},
  "generate": {"type": "object"}}, "oneOf": [{"required": ["messages"]}, {"required": ["prompt"]}, {"required": ["prompt_ids"]}]}
})json";

constexpr const char* kAnswered = R"json({
"Usage": {"type": "object", "required": ["prompt_tokens", "completion_tokens", "total_tokens"], "properties": {
  "prompt_tokens": {"type": "integer"}, "completion_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}}},
"ChatAnswer": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"], "properties": {
  "id": {"type": "string"}, "object": {"const": "chat.completion"}, "created": {"type": "integer"}, "model": {"type": "string"},
  "usage": {"$ref": "#/components/schemas/Usage"}, "timings": {"type": "object"},
  "choices": {"type": "array", "minItems": 1, "items": {"type": "object",
    "required": ["index", "message", "logprobs", "finish_reason"], "properties": {
      "index": {"type": "integer"}, "finish_reason": {"type": "string"}, "logprobs": {"type": ["object", "null"]},
      "message": {"type": "object", "required": ["role", "content"],
        "properties": {"role": {"const": "assistant"}, "content": {"type": ["string", "null"]},
          "tool_calls": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/ToolCall"}}}}}}}}},
"CompletionAnswer": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"], "properties": {
  "id": {"type": "string"}, "object": {"const": "text_completion"}, "created": {"type": "integer"}, "model": {"type": "string"},
  "usage": {"$ref": "#/components/schemas/Usage"},
  "choices": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["index", "text", "finish_reason"],
    "properties": {"index": {"type": "integer"}, "text": {"type": "string"}, "logprobs": {"type": ["object", "null"]},
      "finish_reason": {"enum": ["stop", "length"]}}}}}},
"ResponseAnswer": {"type": "object", "required": ["id", "object", "created_at", "status", "model", "output", "usage"], "properties": {
  "id": {"type": "string"}, "object": {"const": "response"}, "created_at": {"type": "integer"},
  "status": {"enum": ["completed", "incomplete"]}, "model": {"type": "string"}, "metadata": {"type": "object"},
  "output": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["id", "type", "status"],
    "properties": {"id": {"type": "string"}, "type": {"enum": ["message", "function_call"]},
      "status": {"enum": ["completed", "incomplete"]}, "content": {"type": "array"}, "call_id": {"type": "string"},
      "name": {"type": "string"}, "arguments": {"type": "string"}}}},
  "tools": {"type": "array"}, "tool_choice": {"type": ["string", "object"]}, "usage": {"type": "object"}}},
"EmbeddingsAnswer": {"type": "object", "required": ["object", "data", "model", "usage"], "properties": {
  "object": {"const": "list"}, "model": {"type": "string"}, "usage": {"type": "object"},
  "data": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["object", "index", "embedding"], "properties": {
    "object": {"const": "embedding"}, "index": {"type": "integer"},
    "embedding": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "number"}, "minItems": 1}]}}}}}},
"MessagesAnswer": {"type": "object", "required": ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"],
  "properties": {"id": {"type": "string"}, "type": {"const": "message"}, "role": {"const": "assistant"}, "model": {"type": "string"},
    "content": {"type": "array", "items": {"type": "object", "required": ["type"]}}, "stop_reason": {"type": "string"},
    "stop_sequence": {"type": ["string", "null"]}, "usage": {"type": "object", "required": ["input_tokens", "output_tokens"]}}},
"CountTokensAnswer": {"type": "object", "required": ["input_tokens"], "properties": {"input_tokens": {"type": "integer", "minimum": 0}}},
"OllamaAnswer": {"type": "object", "required": ["model", "created_at", "done", "done_reason", "eval_count"], "properties": {
  "model": {"type": "string"}, "created_at": {"type": "string"}, "done": {"const": true}, "done_reason": {"type": "string"},
  "message": {"type": "object", "required": ["role", "content"]}, "response": {"type": "string"},
  "eval_count": {"type": "integer"}, "prompt_eval_count": {"type": "integer"}, "total_duration": {"type": "integer"}}},
"OllamaEmbeddings": {"type": "object", "required": ["model", "embeddings"], "properties": {"model": {"type": "string"},
  "embeddings": {"type": "array", "minItems": 1, "items": {"type": "array", "items": {"type": "number"}}}}},
"ShowAnswer": {"type": "object", "required": ["details", "model_info", "capabilities", "modified_at"], "properties": {
  "details": {"type": "object"}, "model_info": {"type": "object"}, "modified_at": {"type": "string"},
  "capabilities": {"type": "array", "items": {"type": "string"}}}},
"NativeAnswer": {"type": "object", "required": ["id", "model", "prompt_tokens", "reused_tokens", "answers"], "properties": {
  "id": {"type": "string"}, "model": {"type": "string"}, "prompt_tokens": {"type": "integer"}, "reused_tokens": {"type": "integer"},
  "answers": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["text", "finish_reason", "timings"],
    "properties": {"text": {"type": "string"}, "finish_reason": {"type": "string"}, "timings": {"type": "object"}}}}}},
"ModelCard": {"type": "object", "required": ["id", "object", "created", "owned_by"], "properties": {"id": {"type": "string"},
  "object": {"const": "model"}, "created": {"type": "integer"}, "owned_by": {"type": "string"}, "family": {"type": "string"},
  "modalities": {"type": "array", "items": {"type": "string"}}, "max_model_len": {"type": "integer"}}},
"ModelList": {"type": "object", "required": ["object", "data"], "properties": {"object": {"const": "list"},
  "data": {"type": "array", "items": {"$ref": "#/components/schemas/ModelCard"}}}},
"Tags": {"type": "object", "required": ["models"], "properties": {"models": {"type": "array", "items": {"type": "object",
  "required": ["name", "model", "modified_at", "details"], "properties": {"name": {"type": "string"}, "model": {"type": "string"}}}}}},
"Version": {"type": "object", "required": ["version"], "properties": {"version": {"type": "string"}}},
"Health": {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}
})json";

constexpr std::array kBodies{
    BodySchemas{"/v1/chat/completions", "Chat", "ChatAnswer"},
    BodySchemas{"/v1/completions", "Completion", "CompletionAnswer"},
    BodySchemas{"/v1/responses", "Response", "ResponseAnswer"},
    BodySchemas{"/v1/embeddings", "Embeddings", "EmbeddingsAnswer"},
    BodySchemas{"/v1/messages", "Messages", "MessagesAnswer"},
    BodySchemas{"/v1/messages/count_tokens", "CountTokens", "CountTokensAnswer"},
    BodySchemas{"/api/chat", "OllamaChat", "OllamaAnswer"},
    BodySchemas{"/api/generate", "OllamaGenerate", "OllamaAnswer"},
    BodySchemas{"/api/embed", "Embeddings", "OllamaEmbeddings"},
    BodySchemas{"/api/show", "Show", "ShowAnswer"},
    BodySchemas{"/api/isthmus", "Native", "NativeAnswer"},
    BodySchemas{"/v1/models", "", "ModelList"},
    BodySchemas{"/v1/models/{model}", "", "ModelCard"},
    BodySchemas{"/api/tags", "", "Tags"},
    BodySchemas{"/api/ps", "", "Tags"},
    BodySchemas{"/api/version", "", "Version"},
    BodySchemas{"/health", "", "Health"},
};

}  // namespace

protocol::Json component_schemas() {
  protocol::Json schemas = protocol::Json::parse(kShared);
  schemas.update(protocol::Json::parse(kAsked));
  schemas.update(protocol::Json::parse(kAnswered));
  return schemas;
}

const BodySchemas* body_schemas(std::string_view path) {
  const auto* found = std::ranges::find(kBodies, path, &BodySchemas::path);
  return found == kBodies.end() ? nullptr : found;
}

}  // namespace isthmus::server
