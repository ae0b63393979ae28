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

  // What a request means by "model". `aligner` "": it says nothing of one.
  struct Chosen {
    serving::Service* service = nullptr;
    std::string aligner;
  };
  // "" is the only model there is; "NAME:latest", as Ollama's clients ask, is NAME; "NAME:ALIGNER",
  // or "ALIGNER" where only one model has it and none is called so, is NAME with that aligner.
  // Throws NoSuchModel with the names there are.
  Chosen chosen(const std::string& name) const;
  // Without aligners.
  serving::Service& named(const std::string& name) const;
  std::vector<serving::Card> cards() const;
  // The card of what `name` means; that of a model with an aligner is called NAME:ALIGNER.
  serving::Card card(const std::string& name) const;
  std::vector<std::pair<std::string, serving::Load>> loads() const;
  // All of them at once.
  void drain(serving::Clock::time_point until);

 private:
  struct Entry {
    std::string name;
    std::unique_ptr<serving::Service> service;
  };
  serving::Service* find(const std::string& name) const;  // null: there is none
  [[noreturn]] void refuse(const std::string& name) const;

  std::vector<Entry> entries_;
};

}  // namespace isthmus::server
