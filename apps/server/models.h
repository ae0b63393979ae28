// The models a server answers with, by their names.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "serving/service.h"

namespace isthmus::server {

// The request names a model that is not here.
struct NoSuchModel {
  std::string message;
};

// Filled before the server starts; then any thread.
class Models {
 public:
  // UsageError when there is one of that name.
  void add(std::unique_ptr<serving::Service> service);

  // "" is the only model there is; "NAME:latest", as Ollama's clients ask, is NAME. Throws
  // NoSuchModel with the names there are.
  serving::Service& named(const std::string& name) const;
  std::vector<serving::Card> cards() const;
  std::vector<std::pair<std::string, serving::Load>> loads() const;
  // All of them at once.
  void drain(serving::Clock::time_point until);

 private:
  struct Entry {
    std::string name;
    std::unique_ptr<serving::Service> service;
  };
  std::vector<Entry> entries_;
};

}  // namespace isthmus::server
