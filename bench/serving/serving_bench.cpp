// Questions asked all at once against the same number one after the other, in the same run and in
// turn: tokens per second, seconds to the first token, seconds between tokens.
//
//   serving_bench MODEL [--questions 16] [--new-tokens 64] [--words 40] [--pictures FILE ...]
//                 [--storage stored] [--kv-cache f32] [--threads 2] [--repetitions 3]
//                 [--new-pictures]
//
// With pictures also: the first token of a second question about the same picture against that of
// the first. `scheduling_share`: the scheduler's own time, around passes, against that of the
// passes.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "isthmus/error.h"
#include "serving/load.h"

namespace isthmus::bench {
namespace {

using serving::Clock;

struct Options {
  std::string model, vision, storage = "stored", kv_cache = "f32";
  std::vector<std::string> pictures;
  int64_t questions = 16, new_tokens = 64, words = 40, repetitions = 3;
  int threads = 2;
  bool new_pictures = false;
};

double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// No two texts begin alike, so that nothing is read for two.
std::string words(int64_t count, uint64_t seed) {
  static const std::vector<std::string> kWords{"red",  "small", "cube",  "left",  "of",   "the",
                                               "blue", "cone",  "large", "green", "what", "is"};
  Rng rng(seed);
  std::string text = std::to_string(seed);
  for (int64_t i = 0; i < count; ++i)
    text += " " + kWords[static_cast<size_t>(rng.uniform() * static_cast<double>(kWords.size()))];
  return text;
}

// Bytes behind its end make another picture of it, to whoever knows pictures by their content.
Part picture_of(const Options& options, uint64_t seed, bool is_new) {
  const std::string& path = options.pictures[seed % options.pictures.size()];
  if (!is_new) return Part::of_image(path);
  std::ifstream file(path, std::ios::binary);
  std::string all{std::istreambuf_iterator<char>(file), {}};
  all += std::to_string(seed);
  const auto* bytes = reinterpret_cast<const std::byte*>(all.data());
  return Part::of_image_data({bytes, bytes + all.size()});
}

serving::Question question_of(const Options& options, uint64_t seed) {
  serving::Question question;
  Message message{"user", {}};
  if (!options.pictures.empty())
    message.content.push_back(picture_of(options, seed, options.new_pictures));
  message.content.push_back(Part::of_text(words(options.words, seed)));
  question.request.messages.push_back(std::move(message));
  question.request.generate.max_new_tokens = options.new_tokens;
  question.request.generate.min_new_tokens = options.new_tokens;
  question.top_logprobs = 0;  // so that pieces say how many tokens they are
  return question;
}

// What one client saw.
struct Seen {
  double first = 0;             // seconds from the question to the first token
  std::vector<double> between;  // tokens
  int64_t tokens = 0;
};

Seen watch(serving::Ticket& ticket, Clock::time_point asked) {
  Seen seen;
  Clock::time_point last = asked;
  while (!ticket.done()) {
    const auto event = ticket.next(std::chrono::seconds(10));
    if (!event) continue;
    if (const auto* failed = std::get_if<serving::Failed>(&*event))
      throw InputError(failed->message);
    const auto* piece = std::get_if<serving::Piece>(&*event);
    if (piece == nullptr || piece->tokens.empty()) continue;
    const auto now = Clock::now();
    const auto count = static_cast<int64_t>(piece->tokens.size());
    if (seen.tokens == 0) {
      seen.first = seconds(asked, now);
    } else {
      // Text that became certain with the last of several tokens.
      seen.between.insert(seen.between.end(), static_cast<size_t>(count),
                          seconds(last, now) / static_cast<double>(count));
    }
    seen.tokens += count;
    last = now;
  }
  return seen;
}

struct Run {
  double wall = 0;
  std::vector<Seen> clients;
};

Run ask(serving::Service& service, const Options& options, uint64_t seed, bool at_once) {
  Run run;
  run.clients.resize(static_cast<size_t>(options.questions));
  const auto begin = Clock::now();
  std::vector<std::thread> threads;
  for (size_t i = 0; i < run.clients.size(); ++i) {
    const auto asked = Clock::now();
    const auto client = [&service, &options, &seen = run.clients[i], asked, seed, i] {
      const auto ticket = service.ask(question_of(options, seed + i));
      seen = watch(*ticket, asked);
    };
    if (at_once)
      threads.emplace_back(client);
    else
      client();
  }
  for (std::thread& thread : threads) thread.join();
  run.wall = seconds(begin, Clock::now());
  return run;
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

nlohmann::ordered_json summary(const Run& run) {
  int64_t tokens = 0;
  std::vector<double> first, between;
  for (const Seen& seen : run.clients) {
    tokens += seen.tokens;
    first.push_back(seen.first);
    between.insert(between.end(), seen.between.begin(), seen.between.end());
  }
  const auto milliseconds = [](const std::vector<double>& values) {
    return nlohmann::ordered_json{{"p50_ms", 1e3 * quantile(values, 0.5)},
                                  {"p99_ms", 1e3 * quantile(values, 0.99)}};
  };
  return {{"seconds", run.wall},
          {"tokens", tokens},
          {"tokens_per_second", static_cast<double>(tokens) / run.wall},
          {"first_token", milliseconds(first)},
          {"between_tokens", milliseconds(between)}};
}

// The scheduler's own time around passes against that of the passes, all at once; without
// probabilities, which are more work than all else that it does.
double measure_scheduling(serving::Service& service, const Options& options, uint64_t seed) {
  const serving::Load before = service.load();
  std::vector<std::unique_ptr<serving::Ticket>> tickets;
  for (int64_t i = 0; i < options.questions; ++i) {
    serving::Question question = question_of(options, seed + static_cast<uint64_t>(i));
    question.top_logprobs.reset();
    tickets.push_back(service.ask(std::move(question)));
  }
  for (const auto& ticket : tickets) watch(*ticket, Clock::now());
  const serving::Load after = service.load();
  return (after.scheduling_seconds - before.scheduling_seconds) /
         (after.model_seconds - before.model_seconds);
}

// Two questions about a picture that nobody has seen, one after the other.
nlohmann::ordered_json measure_same_picture(serving::Service& service, const Options& options) {
  std::vector<double> first, second;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    for (auto* times : {&first, &second}) {
      Options asks = options;
      asks.words = 8;
      serving::Question question = question_of(asks, seed + (times == &first ? 100 : 200));
      question.request.messages[0].content[0] = picture_of(options, seed, /*is_new=*/true);
      const auto asked = Clock::now();
      times->push_back(watch(*service.ask(question), asked).first);
    }
  }
  const double once = quantile(first, 0.5), again = quantile(second, 0.5);
  return {{"first_ms", 1e3 * once}, {"second_ms", 1e3 * again}, {"share", again / once}};
}

nlohmann::ordered_json measure(const Options& options) {
  LoadOptions load;
  load.threads = options.threads;
  load.vision = options.vision;
  load.decoder_storage = options.storage;
  load.kv_cache = options.kv_cache;
  const auto service =
      serving::load_service(options.model, "", "", load, {.max_running = options.questions});
  uint64_t seed = 1000;
  const auto next = [&](bool at_once) {
    const Run run = ask(*service, options, seed, at_once);
    seed += static_cast<uint64_t>(options.questions);
    return run;
  };
  next(true);  // touches all weights, and knows all pictures afterwards
  std::vector<Run> alone, together;
  for (int64_t i = 0; i < options.repetitions; ++i) {
    alone.push_back(next(false));
    together.push_back(next(true));
  }
  const auto fastest = [](const std::vector<Run>& runs) {
    return *std::ranges::min_element(runs, {}, &Run::wall);
  };
  const Run one = fastest(alone), all = fastest(together);
  nlohmann::ordered_json result{{"questions", options.questions},
                                {"one_after_the_other", summary(one)},
                                {"all_at_once", summary(all)},
                                {"speed_up", one.wall / all.wall},
                                {"scheduling_share", measure_scheduling(*service, options, seed)}};
  if (!options.pictures.empty())
    result["first_token_of_the_same_picture"] = measure_same_picture(*service, options);
  return result;
}

}  // namespace
}  // namespace isthmus::bench

int main(int argc, char** argv) {
  CLI::App app("Questions at once against one after the other");
  isthmus::bench::Options o;
  app.add_option("MODEL", o.model)->required();
  app.add_option("--vision", o.vision, "The tower's folder");
  app.add_option("--questions", o.questions)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--new-tokens", o.new_tokens)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--words", o.words, "Of each question")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--pictures", o.pictures, "One for each question, in turn; none: text alone")
      ->check(CLI::ExistingFile);
  app.add_flag("--new-pictures", o.new_pictures, "Each question has one that nobody has seen");
  app.add_option("--storage", o.storage, "Of the language model")->capture_default_str();
  app.add_option("--kv-cache", o.kv_cache)
      ->check(CLI::IsMember({"f32", "f16", "q8"}))
      ->capture_default_str();
  app.add_option("--threads", o.threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--repetitions", o.repetitions, "The fastest of each is shown")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    std::cout << isthmus::bench::measure(o).dump(1) << "\n";
  } catch (const isthmus::Error& error) {
    std::cerr << "serving_bench: " << error.what() << "\n";
    return error.exit_code();
  }
}
