// Aligners that are added and taken away while the server answers.
#pragma once

#include <filesystem>
#include <string>

#include "models.h"
#include "protocol/exchange.h"
#include "settings.h"

namespace isthmus::server {

// Any thread.
class Aligners {
 public:
  Aligners(const Settings& settings, const Models& models)
      : folder_(settings.aligner_folder), models_(models) {}

  protocol::Json list() const;
  // Bodies of POST /v1/aligners, and of vLLM's load_lora_adapter and unload_lora_adapter. What is
  // wrong with the files is the client's to know: Failure with status 400.
  protocol::Json add(const std::string& body) const;
  protocol::Json add_lora(const std::string& body) const;
  protocol::Json remove_lora(const std::string& body) const;
  // `name`: of an aligner, or MODEL:ALIGNER.
  protocol::Json remove(const std::string& name) const;

 private:
  protocol::Json add(const std::string& model, const std::string& name,
                     const std::string& path) const;
  void require_allowed() const;
  // The folder of that name inside the one that the server was started with.
  std::filesystem::path inside(const std::string& path) const;

  const std::filesystem::path& folder_;
  const Models& models_;
};

}  // namespace isthmus::server
