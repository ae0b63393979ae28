#include "run.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conversation.h"
#include "interrupt.h"
#include "isthmus/error.h"
#include "isthmus/flamingo.h"
#include "isthmus/model.h"
#include "shots.h"

namespace isthmus::cli {
namespace {

bool has_shots(const Options& options) {
  return !options.shot.empty() || !options.shots_from.empty();
}

// Solved examples, then one user message: the media first, then the question, as the models
// were trained.
Request request_from_flags(const Options& options, std::vector<Message> shots) {
  if (options.literal) {
    if (has_shots(options) || !options.system.empty() || !options.conversation_template.empty())
      throw UsageError(
          "--literal: the prompt is complete; leave out --shot, --shots-from, "
          "--system and --template");
    Request request = flamingo_prompt(options.prompt, options.images);
    request.generate = options.generate;
    return request;
  }
  Request request;
  if (!options.system.empty())
    request.messages.push_back({"system", {Part::of_text(options.system)}});
  for (Message& shot : shots) request.messages.push_back(std::move(shot));
  Message message{"user", {}};
  for (Part& medium : media_parts(options)) message.content.push_back(std::move(medium));
  if (!options.prompt.empty()) message.content.push_back(Part::of_text(options.prompt));
  request.messages.push_back(std::move(message));
  request.conversation_template = options.conversation_template;
  request.generate = options.generate;
  return request;
}

Request request_from_file(const Options& options) {
  if (!options.prompt.empty() || !options.media.empty() || has_shots(options))
    throw UsageError(
        "--request holds the question and its media; leave out --prompt, --image and their like, "
        "--shot and --shots-from");
  Request request = Request::load(options.request);
  request.generate = with_flags(request.generate, options);
  if (!options.conversation_template.empty())
    request.conversation_template = options.conversation_template;
  return request;
}

std::string read_standard_input() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

void answer_once(const Options& options) {
  // A broken request is told before a model is loaded for it.
  std::optional<Request> given;
  check_shots(options);
  if (!options.request.empty())
    given = request_from_file(options);
  else if (options.shots_from.empty() || options.literal)
    given = request_from_flags(options, given_shots(options));
  const Pretrained pretrained =
      load_pretrained_model(options.model, options.base, "", options.load);
  const Request request =
      given ? *given : request_from_flags(options, chosen_shots(options, pretrained.model));
  if (options.json) {
    std::cout << to_json(pretrained.model.generate(request)).dump() << "\n";
    return;
  }
  const Interrupt interrupt;
  const Answer answer = pretrained.model.generate(request, [&](std::string_view piece) {
    std::cout << piece << std::flush;
    return std::cout && !interrupt.pressed();
  });
  std::cout << std::endl;
  if (options.verbose) std::cerr << summary(answer) << "\n";
}

}  // namespace

int run(const Options& given) {
  Options options = given;
  if (!options.request.empty()) {
    answer_once(options);
    return 0;
  }
  // With solved examples a picture alone is a question.
  const bool is_complete = has_shots(options) && !options.images.empty();
  if (has_shots(options) && options.images.empty() && options.prompt.empty())
    throw UsageError("the examples have no question behind them; give --image or --prompt");
  if (options.prompt.empty() && !is_complete) {
    const bool terminal = ::isatty(STDIN_FILENO) != 0;
    if ((terminal || options.media.empty()) && !options.json) return hold_conversation(options);
    options.prompt = read_standard_input();
  }
  while (!options.prompt.empty() && options.prompt.back() == '\n') options.prompt.pop_back();
  if (options.prompt.empty() && !is_complete) throw UsageError("--prompt: the question is empty");
  answer_once(options);
  return 0;
}

}  // namespace isthmus::cli
