#include "text/tokenizer_settings.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/json_view.h"
#include "isthmus/error.h"

namespace isthmus::text {

namespace {

// A token is a string or an object with flags.
AddedToken parse_token(const JsonView& json) {
  AddedToken token;
  if (json.is_string()) {
    token.content = json.as_string();
    return token;
  }
  token.content = json.string("content");
  token.lstrip = json.boolean("lstrip", false);
  token.rstrip = json.boolean("rstrip", false);
  token.single_word = json.boolean("single_word", false);
  token.normalized = json.boolean("normalized", false);
  token.special = json.boolean("special", false);
  return token;
}

// The attributes in the order in which transformers adds missing ones to the vocabulary.
constexpr const char* kAttributes[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                       "pad_token", "cls_token", "mask_token"};

struct SpecialTokens {
  std::vector<std::pair<std::string, AddedToken>> named;
  std::vector<AddedToken> additional;

  void set(const std::string& name, AddedToken token) {
    const auto found =
        std::find_if(named.begin(), named.end(), [&](const auto& e) { return e.first == name; });
    if (found == named.end())
      named.emplace_back(name, std::move(token));
    else
      found->second = std::move(token);
  }
  // Later files win over earlier ones.
  void read(const JsonView& json) {
    for (const char* name : kAttributes)
      if (const auto value = json.find(name)) set(name, parse_token(*value));
    if (const auto list = json.find("additional_special_tokens")) {
      additional.clear();
      for (const JsonView& item : list->elements()) additional.push_back(parse_token(item));
    }
  }
  std::string content(const std::string& name) const {
    for (const auto& [key, token] : named)
      if (key == name) return token.content;
    return {};
  }
};

TokenId parse_id(const std::string& text, const JsonView& where) {
  TokenId id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 0)
    where.fail(fmt::format("expected a token id as key, found \"{}\"", text));
  return id;
}

std::string parse_chat_template(const JsonView& json) {
  if (json.is_string()) return json.as_string();
  // A list of named templates; the one called "default" is used for chatting.
  for (const JsonView& item : json.elements())
    if (item.string("name") == "default") return item.string("template");
  return {};
}

}  // namespace

bool TokenizerSettings::is_llama() const {
  // The first converted checkpoints spell it LLaMATokenizer.
  return tokenizer_class == "LlamaTokenizer" || tokenizer_class == "LlamaTokenizerFast" ||
         tokenizer_class == "LLaMATokenizer";
}

TokenizerSettings TokenizerSettings::load(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  TokenizerSettings settings;
  SpecialTokens special;
  const auto exists = [&](const char* name) { return fs::exists(folder / name); };
  if (exists("tokenizer_config.json")) {
    const JsonView json = JsonView::load(folder / "tokenizer_config.json");
    settings.tokenizer_class = json.string("tokenizer_class", "");
    settings.legacy = json.boolean("legacy", true);
    if (json.contains("add_bos_token")) settings.add_bos_token = json.boolean("add_bos_token");
    if (json.contains("add_eos_token")) settings.add_eos_token = json.boolean("add_eos_token");
    settings.clean_up_tokenization_spaces = json.boolean(
        "clean_up_tokenization_spaces", !settings.is_llama() && !settings.tokenizer_class.empty());
    special.read(json);
    if (const auto value = json.find("chat_template"))
      settings.chat_template = parse_chat_template(*value);
    if (const auto decoder = json.find("added_tokens_decoder")) {
      for (const auto& [key, value] : decoder->members()) {
        AddedToken token = parse_token(value);
        token.id = parse_id(key, *decoder);
        settings.added_tokens.push_back(std::move(token));
      }
    }
  } else {
    settings.clean_up_tokenization_spaces = false;
  }
  if (exists("special_tokens_map.json"))
    special.read(JsonView::load(folder / "special_tokens_map.json"));
  if (exists("chat_template.jinja")) {
    settings.chat_template = read_file(folder / "chat_template.jinja");
  } else if (exists("chat_template.json")) {
    settings.chat_template =
        parse_chat_template(JsonView::load(folder / "chat_template.json").at("chat_template"));
  }

  settings.bos_token = special.content("bos_token");
  settings.eos_token = special.content("eos_token");
  settings.unk_token = special.content("unk_token");
  settings.pad_token = special.content("pad_token");
  for (const char* name : kAttributes)
    for (const auto& [key, token] : special.named)
      if (key == name) settings.special_tokens.push_back(token);
  for (const AddedToken& token : special.additional) settings.special_tokens.push_back(token);
  for (AddedToken& token : settings.special_tokens) {
    token.special = true;
    token.normalized = false;
  }

  // added_tokens.json is the older form of added_tokens_decoder.
  if (settings.added_tokens.empty() && exists("added_tokens.json")) {
    for (const auto& [content, value] : JsonView::load(folder / "added_tokens.json").members()) {
      AddedToken token;
      token.content = content;
      token.id = value.as_integer();
      if (token.id < 0) value.fail("expected a token id");
      token.special = std::any_of(settings.special_tokens.begin(), settings.special_tokens.end(),
                                  [&](const AddedToken& t) { return t.content == token.content; });
      token.normalized = !token.special;
      settings.added_tokens.push_back(std::move(token));
    }
  }
  std::sort(settings.added_tokens.begin(), settings.added_tokens.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return settings;
}

void TokenizerSettings::apply(TokenTable& table) {
  const auto is_added = [&](const std::string& content) {
    const auto id = table.find(content);
    return id && table.added(*id) != nullptr;
  };
  for (const AddedToken& token : added_tokens)
    if (!is_added(token.content)) table.add(token);
  for (const AddedToken& token : special_tokens)
    if (!token.content.empty() && !is_added(token.content)) table.add(token);
  const auto id_of = [&](const std::string& token) {
    return token.empty() ? std::nullopt : table.find(token);
  };
  bos_id = id_of(bos_token);
  eos_id = id_of(eos_token);
  unk_id = id_of(unk_token);
  pad_id = id_of(pad_token);
}

}  // namespace isthmus::text
