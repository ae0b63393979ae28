#include "serving/load.h"

#include <utility>

#include "engine/load.h"
#include "families/registry.h"
#include "isthmus/error.h"
#include "serving/card.h"

namespace isthmus::serving {

std::unique_ptr<Service> load_service(const std::string& model, const std::string& base,
                                      const std::string& name, const LoadOptions& load,
                                      const SchedulerOptions& options) {
  if (!load.draft.empty())
    throw UsageError("--draft: a server gains more from answering many at once than from guesses");
  if (load.composed) throw UsageError("--composed: a server computes with fused kernels");
  const nn::KvStorage cache = nn::parse_kv_storage(load.kv_cache);
  SchedulerOptions all = options;
  all.media_files = engine::media_files(load);
  engine::prepare_arithmetic(load);
  std::shared_ptr<families::Family> family = families::load_family(model, base, name, load);
  family->hold_cache_in(cache);
  const std::string shown = name.empty() ? get_model_name_from_path(model) : name;
  Card card = card_of(*family, shown, load);
  return std::make_unique<Scheduler>(std::move(family), std::move(card), all, load);
}

}  // namespace isthmus::serving
