#include "isthmus/error.h"
#include "text/sentencepiece_model.h"
#include "text_testing.h"

namespace isthmus::text {
namespace {

const auto kModelFolder = kLlava / "tokenizer_prompts/model/legacy_false";
const auto kJsonFolder = kLlava / "hf_llava15/model/llava-1.5-tiny-hf";

// Either the file is refused with an error that names it, or the tokenizer works.
void load_and_use(const std::filesystem::path& folder, const std::string& file) {
  for (const bool fast : {false, true}) {
    try {
      const auto tokenizer = Tokenizer::load(folder, {.prefer_fast = fast});
      const auto ids = tokenizer->encode("Hello </s> world \xE6\x97\xA5", true);
      tokenizer->decode(ids, false);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(file), std::string::npos) << error.what();
      EXPECT_TRUE(error.exit_code() == 4 || error.exit_code() == 5) << error.what();
    }
  }
}

class Corpus {
 public:
  size_t next(size_t below) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>(state_ >> 33) % below;
  }
  std::string mutate(std::string bytes) {
    for (size_t i = 0, count = 1 + next(4); i < count; ++i) {
      const size_t at = next(bytes.size());
      switch (next(3)) {
        case 0: bytes[at] = static_cast<char>(next(256)); break;
        case 1: bytes.erase(at, 1 + next(8)); break;
        default: bytes.insert(at, std::string(1 + next(8), static_cast<char>(next(256)))); break;
      }
      if (bytes.empty()) bytes.push_back('x');
    }
    return bytes;
  }

 private:
  uint64_t state_ = 7;
};

TEST(HostileFiles, TruncatedAndMutatedTokenizerModelsAreRefusedOrWork) {
  const auto folder = fresh_folder("hostile_model");
  const std::string good = read_text(kModelFolder / "tokenizer.model");
  for (size_t length = 0; length < good.size(); length += 1 + good.size() / 300) {
    write_text(folder / "tokenizer.model", good.substr(0, length));
    load_and_use(folder, "tokenizer.model");
  }
  // The specs stand at the end: every truncation there.
  for (size_t length = good.size() - 80; length < good.size(); ++length) {
    write_text(folder / "tokenizer.model", good.substr(0, length));
    load_and_use(folder, "tokenizer.model");
  }
  Corpus corpus;
  for (int i = 0; i < 500; ++i) {
    write_text(folder / "tokenizer.model", corpus.mutate(good));
    load_and_use(folder, "tokenizer.model");
  }
}

TEST(HostileFiles, TruncatedAndMutatedTokenizerJsonsAreRefusedOrWork) {
  const auto folder = fresh_folder("hostile_json");
  const std::string good = read_text(kJsonFolder / "tokenizer.json");
  for (size_t length = 0; length < good.size(); length += 1 + good.size() / 40) {
    write_text(folder / "tokenizer.json", good.substr(0, length));
    load_and_use(folder, "tokenizer.json");
  }
  Corpus corpus;
  for (int i = 0; i < 200; ++i) {
    write_text(folder / "tokenizer.json", corpus.mutate(good));
    load_and_use(folder, "tokenizer.json");
  }
}

TEST(HostileFiles, MutatedConfigsAreRefusedOrWork) {
  const auto folder = fresh_folder("hostile_config");
  std::filesystem::copy(kJsonFolder / "tokenizer.json", folder / "tokenizer.json");
  Corpus corpus;
  for (const char* name :
       {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    const std::string good = read_text(kJsonFolder / name);
    for (int i = 0; i < 50; ++i) {
      write_text(folder / name, corpus.mutate(good));
      load_and_use(folder, ".json");
    }
    std::filesystem::remove(folder / name);
  }
}

TEST(HostileFiles, ContradictionsInTokenizerJsonAreNamed) {
  const auto folder = fresh_folder("contradictions");
  const auto complaint = [&](const std::string& json) {
    write_text(folder / "tokenizer.json", json);
    EXPECT_THROW(Tokenizer::load(folder), ModelError) << json;
    return message_of([&] { Tokenizer::load(folder); });
  };
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(complaint("not json"), "tokenizer.json: not valid JSON"));
  EXPECT_TRUE(has(complaint("{}"), "model: missing"));
  EXPECT_TRUE(
      has(complaint(R"({"model": {"type": "BPE", "vocab": {"a": 99999999999}, "merges": []}})"),
          "model.vocab"));
  EXPECT_TRUE(
      has(complaint(R"({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}})"), "\"a\""));
  EXPECT_TRUE(
      has(complaint(R"({"model": {"type": "BPE", "vocab": {"a": 1, "b": 1}, "merges": []}})"),
          "belongs to"));
  EXPECT_TRUE(has(complaint(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}})"),
                  "merges[0]"));
  EXPECT_TRUE(has(complaint(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [5]}})"),
                  "merges[0]"));
  EXPECT_TRUE(has(complaint(R"({"model": {"type": "BPE", "vocab": {"a": 1e999}, "merges": []}})"),
                  "tokenizer.json"));
  EXPECT_TRUE(has(complaint(R"({"added_tokens": [{"id": 0, "content": "x"}],
                               "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})"),
                  "belongs to \"a\""));
  EXPECT_TRUE(has(complaint(R"({"added_tokens": [{"id": 900000000, "content": "x"}],
                               "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})"),
                  "at most"));
  std::string nested = R"({"type": "NFC"})";
  for (int i = 0; i < 50; ++i) {
    nested.insert(0, R"({"type": "Sequence", "normalizers": [)");
    nested.append("]}");
  }
  EXPECT_TRUE(has(complaint(R"({"normalizer": )" + nested +
                            R"(, "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})"),
                  "nested too deeply"));
  complaint(std::string(200000, '['));
}

TEST(HostileFiles, AMissingTokenizerListsWhatWasLookedFor) {
  const auto folder = fresh_folder("missing");
  EXPECT_THROW(Tokenizer::load(folder), ModelError);
  const std::string message = message_of([&] { Tokenizer::load(folder); });
  EXPECT_NE(message.find("tokenizer.model"), std::string::npos);
  EXPECT_NE(message.find("tokenizer.json"), std::string::npos);
  EXPECT_NE(message.find(folder.string()), std::string::npos);
}

// Wire format by hand: field number and payload.
std::string field(int number, const std::string& payload) {
  std::string out;
  out.push_back(static_cast<char>(number << 3 | 2));
  out.push_back(static_cast<char>(payload.size()));
  return out.append(payload);
}
std::string number(int field_number, int value) {
  std::string out;
  const int tag = field_number << 3;
  for (unsigned rest = static_cast<unsigned>(tag);; rest >>= 7) {
    out.push_back(static_cast<char>((rest & 0x7F) | (rest > 0x7F ? 0x80u : 0u)));
    if (rest <= 0x7F) break;
  }
  out.push_back(static_cast<char>(value));
  return out;
}
const std::string kUnk = field(1, field(1, "<unk>") + number(3, 2));
const std::string kPiece = field(1, field(1, "a"));
const std::string kOther = field(1, field(1, "b"));
const std::string kBpe = field(2, number(3, 2));

TEST(SentencePieceModel, ACompiledCharacterMapIsUnsupportedUnlessIdentity) {
  const auto parse = [](const std::string& bytes) {
    return SentencePieceModel::parse(bytes, "x/tokenizer.model");
  };
  EXPECT_EQ(parse(kUnk + kPiece + kOther + kBpe + field(3, field(1, "identity") + field(2, "map")))
                .pieces.size(),
            3u);
  const std::string nfkc =
      kUnk + kPiece + kOther + kBpe + field(3, field(1, "nmt_nfkc") + field(2, "map"));
  EXPECT_THROW(parse(nfkc), UnsupportedError);
  EXPECT_NE(
      message_of([&] { parse(nfkc); }).find("x/tokenizer.model: normalizer_spec is \"nmt_nfkc\""),
      std::string::npos);
  EXPECT_THROW(parse(kUnk + kPiece + kOther + field(2, number(3, 3))),
               UnsupportedError);  // word model
  EXPECT_THROW(parse(kUnk + kPiece + kOther + field(2, number(24, 1))),
               UnsupportedError);  // whitespace as suffix
}

TEST(SentencePieceModel, ContradictionsAreRefused) {
  const auto parse = [](const std::string& bytes) {
    return SentencePieceModel::parse(bytes, "tokenizer.model");
  };
  EXPECT_THROW(parse(""), ModelError);
  EXPECT_THROW(parse(kPiece), ModelError);                         // no unknown piece
  EXPECT_THROW(parse(kUnk + kPiece + kPiece), ModelError);         // repeated
  EXPECT_THROW(parse(kUnk + field(1, number(3, 1))), ModelError);  // no text
  EXPECT_THROW(parse(kUnk + field(1, field(1, "a") + number(3, 7))), ModelError);
  EXPECT_THROW(parse(kUnk + kPiece + kOther + field(2, number(35, 1))),
               ModelError);  // byte fallback without bytes
  EXPECT_THROW(parse(kUnk + kPiece + kOther + field(2, number(41, 100))), ModelError);  // bos_id
  EXPECT_THROW(parse(kUnk + field(1, field(1, "a") + std::string("\x15\x00\x00\xC0\x7F", 5))),
               ModelError);  // NaN
}

}  // namespace
}  // namespace isthmus::text
