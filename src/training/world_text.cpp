#include "training/world_text.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "text/conversation.h"
#include "world/words.h"

namespace isthmus::training {
namespace {

using samples::Sample;
using world::Account;
using world::Dice;
using world::Exchange;

Account shuffled(Dice& dice, Account account) {
  dice.shuffle(account.exchanges);
  return account;
}

// Independent questions about a scene, `count` at most; depth and normals show no colours.
Account scene_account(Dice& dice, const std::vector<world::Item>& items, int count,
                      const world::AskWeights& asks, const world::Wording& wording = {}) {
  return {world::describe(items, wording), world::questions(dice, items, count, asks, wording)};
}

// A medium of any kind, pictures most often.
Account draw_account(Dice& dice, const world::AskWeights& asks) {
  constexpr double kPicture = .8;
  const auto items = [&](int most) {
    return world::draw_items(dice, world::Split::kAny, {.min_objects = 1, .max_objects = most});
  };
  if (dice.chance(kPicture)) {
    const auto found = items(4);
    return scene_account(dice, found, found.size() == 1 ? dice.between(1, 3) : dice.between(4, 8), asks);
  }
  switch (dice.below(6)) {
    case 0: return shuffled(dice, world::account_of(world::draw_movement(dice, world::Split::kAny)));
    case 1: return shuffled(dice, world::account_of(world::draw_sounds(dice)));
    case 2: return shuffled(dice, world::account_of(world::draw_activity(dice)));
    case 3: return shuffled(dice, world::account_of_seeing(items(1).front()));
    default: return scene_account(dice, items(2), dice.between(2, 5), asks, {.colours = false});
  }
}

// The tokenizer sees the text around a picture in pieces, and puts a blank before each.
void add_llava(DocumentWriter& writer, const Account& account) {
  const text::ConversationTemplate& chat = *text::find_template("vicuna_v1");
  writer.text(std::string(chat.system_begin) + std::string(chat.system) +
                  std::string(chat.system_end) + std::string(chat.user_begin),
              0);
  writer.text(fmt::format(" {}", account.description), world::kDescriptionWeight);
  std::string before = " \n";
  for (const Exchange& exchange : account.exchanges) {
    writer.text(before + exchange.question, world::kDescriptionWeight);
    writer.text(" ASSISTANT:", 0);
    writer.tag(exchange.kind);
    writer.text(fmt::format(" {}", exchange.answer), world::kAnswerWeight);
    writer.token("</s>", world::kEndWeight);
    before = "USER: ";
  }
}

void add_onellm(DocumentWriter& writer, const Account& account, bool as_trained) {
  const std::string_view blank = as_trained ? " " : "";
  const text::ConversationTemplate& chat =
      *text::find_template(as_trained ? "onellm_train" : "onellm");
  writer.text(account.description, world::kDescriptionWeight);
  writer.text(fmt::format(" {}\n\n###", chat.system), 0);
  for (const Exchange& exchange : account.exchanges) {
    writer.text(std::string(blank) + "Human: ", 0);
    writer.text(exchange.question, world::kDescriptionWeight);
    writer.text("\n###" + std::string(blank) + "Assistant:", 0);
    writer.tag(exchange.kind);
    writer.text(fmt::format(" {}", exchange.answer), world::kAnswerWeight);
    writer.text("\n###", world::kEndWeight);
  }
}

}  // namespace

void DocumentWriter::text(std::string text, double weight) {
  sample_.document.push_back(Part::of_text(std::move(text)));
  sample_.weights.push_back(static_cast<float>(weight));
}

void DocumentWriter::token(std::string spelling, double weight) {
  sample_.document.push_back(Part::of_token(std::move(spelling)));
  sample_.weights.push_back(static_cast<float>(weight));
}

Sample DocumentWriter::take(std::string name) {
  sample_.name = std::move(name);
  return std::move(sample_);
}

Sample chat_document(Dice& dice, const world::AskWeights& asks, std::string name) {
  DocumentWriter writer;
  const Account account = draw_account(dice, asks);
  const double form = dice.uniform();
  if (form < .15) {  // OneLLM's caption, or LLaVA's plain one
    writer.text(account.description, world::kDescriptionWeight);
    const bool plain = form < .05;
    writer.text(fmt::format(" {}{}", account.description, plain ? "\n" : ""), world::kCopyWeight);
    if (!plain) writer.token("</s>", world::kEndWeight);
  } else if (form < .6) {
    add_llava(writer, account);
  } else {
    add_onellm(writer, account, form < .75);
  }
  return writer.take(std::move(name));
}

Sample row_document(const world::Row& row, std::string name) {
  DocumentWriter writer;
  bool first = true;  // behind a token: no blank
  for (const world::Span& span : row.spans) {
    std::string text;
    const auto flush = [&] {
      if (text.empty()) return;
      if (span.weight >= world::kAnswerWeight) writer.tag(row.kind);
      writer.text(std::exchange(text, {}), span.weight);
    };
    for (const std::string_view word : world::split_words(span.text)) {
      if (word == "<img>" || word == ".") {
        flush();
        writer.token(word == "." ? "<|endofchunk|>" : "<image>", word == "." ? span.weight : 0);
        first = true;
        continue;
      }
      if (!std::exchange(first, false)) text += ' ';
      text += word == "<sep>" ? std::string_view(":") : word;
    }
    flush();
  }
  return writer.take(std::move(name));
}

}  // namespace isthmus::training
