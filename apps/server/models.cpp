#include "models.h"

#include <algorithm>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"

namespace isthmus::server {

void Models::add(std::unique_ptr<serving::Service> service) {
  const std::string name = service->card().name;
  if (std::ranges::find(entries_, name, &Entry::name) != entries_.end())
    throw UsageError(fmt::format(
        "two models are called {}; requests could not tell them apart. Rename a folder", name));
  entries_.push_back({name, std::move(service)});
}

serving::Service& Models::named(const std::string& name) const {
  if (name.empty() && entries_.size() == 1) return *entries_.front().service;
  constexpr std::string_view kLatest = ":latest";
  const std::string plain =
      name.ends_with(kLatest) ? name.substr(0, name.size() - kLatest.size()) : name;
  for (const Entry& entry : entries_)
    if (entry.name == name || entry.name == plain) return *entry.service;
  std::vector<std::string> names;
  for (const Entry& entry : entries_) names.push_back(entry.name);
  throw NoSuchModel{name.empty()
                        ? fmt::format("\"model\" is missing; here are {}", fmt::join(names, ", "))
                        : fmt::format("there is no model \"{}\" here; there is {}", name,
                                      fmt::join(names, ", "))};
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
