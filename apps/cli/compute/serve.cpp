#include "serve.h"

#include <cerrno>
#include <csignal>
#include <iostream>
#include <memory>
#include <utility>

#include <malloc.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "../../server/api_keys.h"
#include "../../server/fetch_rules.h"
#include "../../server/server.h"
#include "base/log.h"
#include "isthmus/error.h"
#include "layout/model_locator.h"
#include "serving/load.h"

namespace isthmus::cli {
namespace {

int told_to_end = -1;  // an eventfd: all that a signal handler may do is write to it

void on_signal(int) {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(told_to_end, &one, sizeof one);
  // Who asks twice does not want to wait.
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

void wait_for_signal() {
  uint64_t count = 0;
  while (::read(told_to_end, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

std::unique_ptr<serving::Service> load(const std::string& model, const Options& options) {
  serving::SchedulerOptions limits;
  limits.max_waiting = options.longest_queue;
  limits.cache_bytes = options.kv_cache_bytes;
  return serving::load_service(model, options.base, options.served_name, options.load, limits);
}

struct NamedAligner {
  std::string model, name, path;
};

NamedAligner parse_aligner(const std::string& text, const Options& options) {
  const size_t equals = text.find('=');
  const std::string left = text.substr(0, equals);
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    throw UsageError(fmt::format("--aligner {}: expected NAME=PATH", text));
  const size_t slash = left.rfind('/');
  if (slash == std::string::npos && options.models.size() > 1)
    throw UsageError(
        fmt::format("--aligner {}: there are several models; expected MODEL/NAME=PATH", text));
  const bool named = slash != std::string::npos;
  return {named ? left.substr(0, slash) : "", named ? left.substr(slash + 1) : left,
          text.substr(equals + 1)};
}

void add_aligners(const server::Models& models, const Options& options) {
  const auto locator = layout::ModelLocator::from_environment();
  for (const std::string& text : options.served_aligners) {
    const NamedAligner aligner = parse_aligner(text, options);
    try {
      models.named(aligner.model).add_aligner(aligner.name, locator.find_model(aligner.path));
    } catch (const server::NoSuchModel& none) {
      throw UsageError(fmt::format("--aligner {}: {}", text, none.message));
    }
  }
}

void check(const Options& options) {
  for (const std::string& host : options.server.fetch.hosts) server::HostPattern{host};
  if (options.server.fetch.hosts.empty() &&
      (options.server.fetch.private_addresses || !options.server.fetch.authorities.empty()))
    throw UsageError("--allow-fetch-private, --fetch-ca: nothing is fetched without --allow-fetch");
  if (options.models.size() < 2) return;
  if (!options.base.empty() || !options.load.vision.empty() || !options.served_name.empty())
    throw UsageError(
        "--base, --vision and --name speak of one model; several are given. Merge them first");
}

// Each of a server's many threads would otherwise come to a heap of its own, and keep what it once
// needed: 331 MB instead of 295 under a load of all kinds, and later steps in it.
void share_heaps() {
#ifdef M_ARENA_MAX
  mallopt(M_ARENA_MAX, 2);
#endif
}

}  // namespace

int serve(const Options& options) {
  check(options);
  share_heaps();
  server::Settings settings = options.server;
  settings.defaults = options.generate;
  if (!options.api_key_file.empty())
    for (std::string& key : server::read_api_keys(options.api_key_file))
      settings.api_keys.push_back(std::move(key));
  log::set_level(log::Level::kInfo);
  if (options.log_format == "json") log::set_format(log::Format::kJson);

  auto models = std::make_unique<server::Models>();
  std::vector<std::string> names;
  for (const std::string& model : options.models) {
    auto service = load(model, options);
    names.push_back(service->card().name);
    models->add(std::move(service));
  }
  add_aligners(*models, options);
  server::Server server(std::move(settings), std::move(models));
  server.start();
  told_to_end = ::eventfd(0, EFD_CLOEXEC);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  std::cout << fmt::format("serving {} on {}", fmt::join(names, ", "), server.url()) << std::endl;
  wait_for_signal();
  log::info("told to end; what is under way is answered first");
  server.drain(serving::Clock::now() + std::chrono::seconds(options.drain_seconds));
  return 0;
}

}  // namespace isthmus::cli
