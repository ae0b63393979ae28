// The aligners of a Scheduler, which come and go while it answers.
#include <algorithm>
#include <cctype>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "isthmus/error.h"
#include "serving/scheduler.h"

namespace isthmus::serving {
namespace {

bool same_geometry(const nn::CacheGeometry& one, const nn::CacheGeometry& other) {
  return one.num_hidden_layers == other.num_hidden_layers &&
         one.num_key_value_heads == other.num_key_value_heads && one.head_dim == other.head_dim;
}

void check_name(const std::string& name) {
  constexpr size_t kLongest = 64;
  const auto is_plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  };
  if (name.empty() || name.size() > kLongest || name.front() == '.' || name == "latest" ||
      !std::ranges::all_of(name, is_plain))
    throw UsageError(fmt::format(
        "the name of an aligner: expected up to {} letters, digits, \"-\", \"_\" and \".\", and "
        "not \"latest\"; found \"{}\"",
        kLongest, name));
}

}  // namespace

std::shared_ptr<const Variant> Scheduler::variant(const std::string& name) const {
  if (name.empty()) return own_;
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& variant : variants_) {
    if (variant->name == name) return variant;
    names.push_back(variant->name);
  }
  throw NoSuchAligner{fmt::format(
      "{} has no aligner \"{}\"{}", card_.name, name,
      names.empty() ? " besides its own" : fmt::format("; it has {}", fmt::join(names, ", ")))};
}

// mutex_ is held.
void Scheduler::check_free(const std::string& name) const {
  if (std::ranges::any_of(variants_, [&](const auto& variant) { return variant->name == name; }))
    throw UsageError(
        fmt::format("{} has an aligner \"{}\" already; take it away first", card_.name, name));
}

void Scheduler::add_aligner(const std::string& name, const std::filesystem::path& folder) {
  check_name(name);
  {
    const std::lock_guard lock(mutex_);
    check_free(name);
  }
  std::shared_ptr<families::Family> family = own_->family->with_aligner(folder, load_options_);
  families::Family& own = *own_->family;
  if (!same_geometry(family->language_model().cache_geometry(),
                     own.language_model().cache_geometry()))
    throw ModelError(
        fmt::format("{}: layers or heads of its language model are not those of the loaded one",
                    folder.string()));
  family->hold_cache_in(own.cache_storage());
  const bool same_model = &family->language_model() == &own.language_model() &&
                          family->block_hook() == own.block_hook();
  Variant variant{name, std::move(family), 0, nullptr};
  variant.media = std::make_unique<engine::MediaLoader>(*variant.family, *own_->media);
  const std::lock_guard lock(mutex_);
  check_free(name);  // still: loading takes a while
  if (!same_model) variant.model = models_++;
  variants_.push_back(std::make_shared<const Variant>(std::move(variant)));
}

void Scheduler::remove_aligner(const std::string& name) {
  const auto leaving = variant(name);
  if (leaving == own_) throw UsageError("the name of an aligner is missing");
  const std::lock_guard lock(mutex_);
  std::erase(variants_, leaving);
}

Card Scheduler::card() const {
  Card card = card_;
  const std::lock_guard lock(mutex_);
  for (const auto& variant : variants_) card.aligners.push_back(variant->name);
  return card;
}

}  // namespace isthmus::serving
