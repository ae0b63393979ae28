#include "run.h"

#include <cstdio>
#include <fstream>
#include <iostream>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conversation.h"
#include "interrupt.h"
#include "isthmus/error.h"
#include "isthmus/model.h"

namespace isthmus::cli {
namespace {

// One user message: the pictures first, then the question, as the models were trained.
Request request_from_flags(const Options& options) {
  Request request;
  if (!options.system.empty())
    request.messages.push_back({"system", {Part::of_text(options.system)}});
  Message message{"user", {}};
  for (const auto& image : options.images) message.content.push_back(Part::of_image(image));
  message.content.push_back(Part::of_text(options.prompt));
  request.messages.push_back(std::move(message));
  request.conversation_template = options.conversation_template;
  request.generate = options.generate;
  return request;
}

Request request_from_file(const Options& options) {
  if (!options.prompt.empty() || !options.images.empty())
    throw UsageError(
        "--request holds the question and its pictures; leave out --prompt and --image");
  Request request = Request::load(options.request);
  request.generate = with_flags(request.generate, options);
  if (!options.conversation_template.empty())
    request.conversation_template = options.conversation_template;
  return request;
}

std::string read_standard_input() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

void answer_once(const Options& options, const Request& request) {
  const Pretrained pretrained =
      load_pretrained_model(options.model, options.base, "", options.load);
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
    answer_once(options, request_from_file(options));
    return 0;
  }
  const bool terminal = ::isatty(STDIN_FILENO) != 0;
  if (options.prompt.empty() && (terminal || options.images.empty()) && !options.json)
    return hold_conversation(options);
  if (options.prompt.empty()) options.prompt = read_standard_input();
  while (!options.prompt.empty() && options.prompt.back() == '\n') options.prompt.pop_back();
  if (options.prompt.empty()) throw UsageError("--prompt: the question is empty");
  answer_once(options, request_from_flags(options));
  return 0;
}

}  // namespace isthmus::cli
