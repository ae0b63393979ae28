#include "conversation.h"

#include <cstdlib>
#include <iostream>

#include <unistd.h>

#include <editline/readline.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "interrupt.h"
#include "isthmus/error.h"

namespace isthmus::cli {
namespace {

const char* const kHelp =
    "/image FILE   add a picture to the next question (or drop a file here)\n"
    "/media KIND FILE   add a medium of another kind: /media audio rain.wav\n"
    "/history      show the conversation so far\n"
    "/reset        forget the conversation\n"
    "/save FILE    write the conversation as a request file\n"
    "/quit         end (also Ctrl-D)\n";

// Line editing on a terminal, plain reading from a pipe.
class LineReader {
 public:
  LineReader() : terminal_(::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0) {
    if (terminal_) using_history();
  }
  bool terminal() const { return terminal_; }

  std::optional<std::string> next() {
    std::string line;
    if (!terminal_) {
      if (!std::getline(std::cin, line)) return std::nullopt;
      return line;
    }
    char* typed = ::readline("> ");
    if (typed == nullptr) return std::nullopt;
    line = typed;
    if (!line.empty()) ::add_history(typed);
    std::free(typed);
    return line;
  }

 private:
  bool terminal_;
};

std::string trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0)
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.remove_suffix(1);
  return std::string(text);
}

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() &&
        std::isxdigit(static_cast<unsigned char>(text[i + 1])) != 0 &&
        std::isxdigit(static_cast<unsigned char>(text[i + 2])) != 0) {
      decoded += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

// As a request file spells it.
nlohmann::ordered_json medium_json(const Part& part) {
  nlohmann::ordered_json json{{"type", part.modality},
                              {"path", std::filesystem::absolute(part.path).string()}};
  if (!part.rgb.empty()) json["rgb"] = std::filesystem::absolute(part.rgb).string();
  if (!part.mask.empty()) json["mask"] = std::filesystem::absolute(part.mask).string();
  if (!part.unit.empty()) json["unit"] = part.unit;
  if (part.start) json["start"] = *part.start;
  if (part.end) json["end"] = *part.end;
  return json;
}

class Conversation {
 public:
  explicit Conversation(const Options& options)
      : options_(options),
        pretrained_(load_pretrained_model(options.model, options.base, "", options.load)) {
    for (Part& medium : media_parts(options)) {
      if (medium.modality == "image")
        add_image(medium.path);
      else
        add_medium(std::move(medium));
    }
    reset();
  }

  // False when the conversation is over.
  bool take(const std::string& line) {
    const std::string text = trimmed(line);
    if (text.empty()) return true;
    try {
      if (const auto path = dropped_path(text)) {
        add_image(*path);
      } else if (text.starts_with('/') && is_command(text)) {
        return command(text);
      } else {
        ask(text);
      }
    } catch (const Error& error) {
      std::cerr << "isthmus: " << error.what() << "\n";
    }
    return true;
  }

 private:
  static bool is_command(const std::string& text) {
    const std::string name = text.substr(0, text.find(' '));
    for (const char* known :
         {"/image", "/media", "/history", "/reset", "/save", "/quit", "/exit", "/help"})
      if (name == known) return true;
    throw UsageError(fmt::format("\"{}\" is no command; /help lists them", name));
  }

  bool command(const std::string& text) {
    const size_t space = text.find(' ');
    const std::string name = text.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : trimmed(text.substr(space));
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") std::cerr << kHelp;
    if (name == "/reset") {
      reset();
      media_.clear();
      std::cerr << "the conversation starts anew\n";
    }
    if (name == "/history") show_history();
    if (name == "/image") {
      if (rest.empty()) throw UsageError("/image needs a file");
      const auto path = dropped_path(rest);
      add_image(path ? *path : std::filesystem::path(rest));
    }
    if (name == "/media") {
      const size_t end = rest.find(' ');
      if (end == std::string::npos) throw UsageError("/media needs a kind and a file");
      add_medium(Part::of_media(rest.substr(0, end), trimmed(rest.substr(end))));
    }
    if (name == "/save") {
      if (rest.empty()) throw UsageError("/save needs a file");
      save(rest);
    }
    return true;
  }

  // Decoding the picture at once tells about a wrong file now and not with the next question.
  void add_image(const std::filesystem::path& path) {
    pretrained_.image_processor(path);
    add_medium(Part::of_image(path));
  }

  void add_medium(Part medium) {
    std::cerr << fmt::format("{} {} goes with the next question\n",
                             medium.modality == "image" ? "picture" : medium.modality,
                             medium.path.filename().string());
    media_.push_back(std::move(medium));
  }

  void ask(const std::string& question) {
    Message message{"user", media_};
    message.content.push_back(Part::of_text(question));
    Request request = request_;
    request.messages.push_back(message);
    const Interrupt interrupt;
    const Answer answer = pretrained_.model.generate(request, [&](std::string_view piece) {
      std::cout << piece << std::flush;
      return std::cout && !interrupt.pressed();
    });
    std::cout << std::endl;
    if (options_.verbose) std::cerr << summary(answer) << "\n";
    request.messages.push_back({"assistant", {Part::of_text(answer.text)}});
    request_ = std::move(request);
    media_.clear();
  }

  void reset() {
    request_ = Request{};
    request_.generate = options_.generate;
    request_.conversation_template = options_.conversation_template;
    if (!options_.system.empty())
      request_.messages.push_back({"system", {Part::of_text(options_.system)}});
  }

  void show_history() const {
    for (const Message& message : request_.messages) {
      std::cout << message.role << ":";
      for (const Part& part : message.content) {
        if (part.type == Part::Type::kMedia)
          std::cout << " [" << part.path.filename().string() << "]";
        else
          std::cout << " " << part.text;
      }
      std::cout << "\n";
    }
    std::cout << std::flush;
  }

  void save(const std::filesystem::path& file) const {
    nlohmann::ordered_json messages = nlohmann::ordered_json::array();
    for (const Message& message : request_.messages) {
      nlohmann::ordered_json content = nlohmann::ordered_json::array();
      for (const Part& part : message.content) {
        if (part.type == Part::Type::kMedia)
          content.push_back(medium_json(part));
        else
          content.push_back({{"type", "text"}, {"text", part.text}});
      }
      messages.push_back({{"role", message.role}, {"content", std::move(content)}});
    }
    nlohmann::ordered_json json{{"messages", std::move(messages)}};
    if (!request_.conversation_template.empty()) json["template"] = request_.conversation_template;
    write_file(file, json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    std::cerr << fmt::format("saved to {}\n", file.string());
  }

  const Options& options_;
  Pretrained pretrained_;
  Request request_;
  std::vector<Part> media_;  // of the next question
};

}  // namespace

int hold_conversation(const Options& options) {
  LineReader reader;
  Conversation conversation(options);
  if (reader.terminal())
    std::cerr << "Ask a question; drop a picture's file here to show it. /help lists commands.\n";
  while (const auto line = reader.next())
    if (!conversation.take(*line)) break;
  return 0;
}

std::optional<std::filesystem::path> dropped_path(std::string_view line) {
  std::string text = trimmed(line);
  if (text.size() >= 2 && (text.front() == '\'' || text.front() == '"') &&
      text.back() == text.front())
    text = text.substr(1, text.size() - 2);
  else if (text.starts_with("file://"))
    text = percent_decoded(text.substr(7));
  std::string unescaped;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    unescaped += text[i];
  }
  for (const std::string& candidate : {text, unescaped}) {
    std::error_code ignored;
    if (!candidate.empty() && std::filesystem::is_regular_file(candidate, ignored))
      return candidate;
  }
  return std::nullopt;
}

nlohmann::ordered_json to_json(const Answer& answer) {
  const Timings& t = answer.timings;
  return {{"text", answer.text},
          {"output_ids", answer.output_ids},
          {"prompt_tokens", t.prompt_tokens},
          {"finish_reason", answer.finish_reason},
          {"timings",
           {{"encode_s", t.encode},
            {"prefill_s", t.prefill},
            {"decode_s", t.decode},
            {"reused_tokens", t.reused_tokens},
            {"generated_tokens", t.generated_tokens},
            {"guess_s", t.guess},
            {"guessed_tokens", t.guessed_tokens},
            {"accepted_tokens", t.accepted_tokens}}}};
}

std::string summary(const Answer& answer) {
  const Timings& t = answer.timings;
  const double rate = t.decode > 0 ? static_cast<double>(t.generated_tokens) / t.decode : 0;
  std::string text = fmt::format(
      "{} + {} tokens ({} reused), encode {:.2f} s, prefill {:.2f} s, decode {:.1f} tokens/s",
      t.prompt_tokens, t.generated_tokens, t.reused_tokens, t.encode, t.prefill, rate);
  if (t.guessed_tokens > 0)
    text += fmt::format(", {} of {} guesses right", t.accepted_tokens, t.guessed_tokens);
  return text;
}

}  // namespace isthmus::cli
