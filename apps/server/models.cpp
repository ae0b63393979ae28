#include "models.h"

#include <algorithm>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"
#include "protocol/openai_cards.h"

namespace isthmus::server {
namespace {

bool has(const serving::Service& service, const std::string& aligner) {
  const serving::Card card = service.card();
  return std::ranges::find(card.aligners, aligner) != card.aligners.end();
}

}  // namespace

void Models::add(std::unique_ptr<serving::Service> service) {
  const std::string name = service->card().name;
  if (std::ranges::find(entries_, name, &Entry::name) != entries_.end())
    throw UsageError(fmt::format(
        "two models are called {}; requests could not tell them apart. Rename a folder", name));
  entries_.push_back({name, std::move(service)});
}

serving::Service* Models::find(const std::string& name) const {
  if (name.empty() && entries_.size() == 1) return entries_.front().service.get();
  constexpr std::string_view kLatest = ":latest";
  const std::string plain =
      name.ends_with(kLatest) ? name.substr(0, name.size() - kLatest.size()) : name;
  for (const Entry& entry : entries_)
    if (entry.name == name || entry.name == plain) return entry.service.get();
  return nullptr;
}

void Models::refuse(const std::string& name) const {
  std::vector<std::string> names;
  for (const Entry& entry : entries_) {
    names.push_back(entry.name);
    for (const std::string& aligner : entry.service->card().aligners)
      names.push_back(entry.name + ":" + aligner);
  }
  throw NoSuchModel{name.empty()
                        ? fmt::format("\"model\" is missing; here are {}", fmt::join(names, ", "))
                        : fmt::format("there is no model \"{}\" here; there is {}", name,
                                      fmt::join(names, ", "))};
}

serving::Service& Models::named(const std::string& name) const {
  serving::Service* service = find(name);
  if (service == nullptr) refuse(name);
  return *service;
}

Models::Chosen Models::chosen(const std::string& name) const {
  if (serving::Service* service = find(name)) return {service, ""};
  Chosen chosen{nullptr, name};
  if (const size_t colon = name.rfind(':'); colon != std::string::npos) {
    chosen = {find(name.substr(0, colon)), name.substr(colon + 1)};
    if (chosen.service == nullptr || !has(*chosen.service, chosen.aligner)) refuse(name);
    return chosen;
  }
  for (const Entry& entry : entries_) {
    if (!has(*entry.service, name)) continue;
    if (chosen.service != nullptr)
      throw NoSuchModel{fmt::format("{} and {} have an aligner \"{}\"; ask for {}:{}",
                                    chosen.service->card().name, entry.name, name, entry.name,
                                    name)};
    chosen.service = entry.service.get();
  }
  if (chosen.service == nullptr) refuse(name);
  return chosen;
}

serving::Card Models::card(const std::string& name) const {
  const Chosen chosen = this->chosen(name);
  serving::Card card = chosen.service->card();
  return chosen.aligner.empty() ? card : protocol::card_with(std::move(card), chosen.aligner);
}

std::vector<serving::Card> Models::cards() const {
  std::vector<serving::Card> cards;
  for (const Entry& entry : entries_) cards.push_back(entry.service->card());
  return cards;
}

std::vector<std::pair<std::string, serving::Load>> Models::loads() const {
  std::vector<std::pair<std::string, serving::Load>> loads;
  for (const Entry& entry : entries_) loads.emplace_back(entry.name, entry.service->load());
  return loads;
}

void Models::drain(serving::Clock::time_point until) {
  std::vector<std::thread> threads;
  for (const Entry& entry : entries_)
    threads.emplace_back([&entry, until] { entry.service->drain(until); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace isthmus::server
