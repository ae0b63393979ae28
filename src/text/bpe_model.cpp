#include "text/bpe_model.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/ordered_json.h"
#include "formats/bytes.h"
#include "isthmus/error.h"
#include "text/bpe_merge.h"
#include "text/utf8.h"

namespace isthmus::text {

namespace {

uint64_t pair_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

}  // namespace

class BpeModel::Rule : public BpeMergeRule {
 public:
  explicit Rule(const BpeModel& model) : model_(model) {}
  std::optional<BpeMergeRule::Merge> merge(const BpeSymbol& left, const BpeSymbol& right) override {
    const auto found = model_.merges_.find(pair_key(left.id, right.id));
    if (found == model_.merges_.end() || model_.forbidden_[static_cast<size_t>(found->second.id)])
      return std::nullopt;
    return BpeMergeRule::Merge{found->second.rank, found->second.id};
  }

 private:
  const BpeModel& model_;
};

void BpeModel::index_pieces() {
  ids_.reserve(pieces_.size());
  for (size_t id = 0; id < pieces_.size(); ++id)
    if (!pieces_[id].empty()) ids_.emplace(pieces_[id], static_cast<int32_t>(id));
  forbidden_.assign(pieces_.size(), false);
}

std::optional<int32_t> BpeModel::id_of(const std::string& piece) const {
  const auto found = ids_.find(piece);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

void BpeModel::forbid(TokenId id) {
  if (id >= 0 && id < static_cast<TokenId>(forbidden_.size()))
    forbidden_[static_cast<size_t>(id)] = true;
}

void BpeModel::add_merge(const std::string& left, const std::string& right, const std::string& list,
                         size_t index) {
  const auto left_id = id_of(left), right_id = id_of(right), merged = id_of(left + right);
  if (!left_id || !right_id || !merged)
    throw ModelError(
        fmt::format("{}[{}]: the merge of \"{}\" and \"{}\" needs \"{}\", which is no token", list,
                    index, formats::printable(left), formats::printable(right),
                    formats::printable(!left_id    ? left
                                       : !right_id ? right
                                                   : left + right)));
  // A repeated pair keeps its last rank, as in the reference.
  merges_[pair_key(*left_id, *right_id)] = {static_cast<int64_t>(merges_.size()), *merged};
}

void BpeModel::add_merge(const std::string& both, const std::string& list, size_t index) {
  const size_t space = both.find(' ');
  if (space == std::string::npos || both.find(' ', space + 1) != std::string::npos)
    throw ModelError(fmt::format("{}[{}]: expected two pieces and a space, found \"{}\"", list,
                                 index, formats::printable(both)));
  add_merge(both.substr(0, space), both.substr(space + 1), list, index);
}

BpeModel BpeModel::parse(const JsonView& json) {
  const std::string type = json.string("type", json.contains("merges") ? "BPE" : "");
  if (type != "BPE")
    throw UnsupportedError(fmt::format("{}: model {} is not supported", json.where(), type));
  if (json.number("dropout", 0.0) != 0.0)
    throw UnsupportedError(fmt::format("{}: BPE dropout is not supported", json.where()));
  if (!json.string("continuing_subword_prefix", "").empty())
    throw UnsupportedError(
        fmt::format("{}: continuing_subword_prefix is not supported", json.where()));

  BpeModel model;
  model.end_of_word_suffix_ = json.string("end_of_word_suffix", "");
  model.fuse_unk_ = json.boolean("fuse_unk", false);
  model.ignore_merges_ = json.boolean("ignore_merges", false);

  // Large tables: read without a view per entry.
  const JsonView vocab = json.at("vocab");
  if (!vocab.is_object() || vocab.raw().empty()) vocab.fail("expected an object that is not empty");
  for (const auto& [piece, id] : vocab.raw().items()) {
    if (!id.is_number_integer() || id.is_number_float() || id.get<int64_t>() < 0 ||
        id.get<int64_t>() > TokenTable::kMaxId)
      vocab.fail(fmt::format("\"{}\": expected a token id up to {}", piece, TokenTable::kMaxId));
    const auto index = static_cast<size_t>(id.get<int64_t>());
    if (piece.empty()) continue;
    if (index >= model.pieces_.size()) model.pieces_.resize(index + 1);
    if (!model.pieces_[index].empty())
      vocab.fail(fmt::format("the id {} belongs to \"{}\" and \"{}\"", index, model.pieces_[index],
                             piece));
    model.pieces_[index] = piece;
  }
  model.index_pieces();

  const JsonView merges = json.at("merges");
  if (!merges.is_array()) merges.fail("expected a list");
  const std::string list = merges.where();
  for (size_t i = 0; i < merges.raw().size(); ++i) {
    const auto& merge = merges.raw()[i];
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      model.add_merge(merge[0].get<std::string>(), merge[1].get<std::string>(), list, i);
    } else if (merge.is_string()) {
      const auto text = merge.get<std::string>();
      if (text.starts_with("#version")) continue;
      model.add_merge(text, list, i);
    } else {
      throw ModelError(fmt::format("{}[{}]: expected a string or two strings", list, i));
    }
  }

  const std::string unk = json.string("unk_token", "");
  if (!unk.empty()) {
    model.unk_id_ = model.id_of(unk);
    json.require(model.unk_id_.has_value(), "unk_token", "is not in vocab");
  }
  if (json.boolean("byte_fallback", false)) {
    for (int byte = 0; byte < 256; ++byte)
      model.byte_ids_.push_back(model.id_of(fmt::format("<0x{:02X}>", byte)).value_or(-1));
  }
  return model;
}

BpeModel BpeModel::from_merges(std::vector<std::string> pieces, std::span<const std::string> merges,
                               bool ignore_merges, const std::string& where) {
  BpeModel model;
  model.ignore_merges_ = ignore_merges;
  model.pieces_ = std::move(pieces);
  model.index_pieces();
  model.merges_.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) model.add_merge(merges[i], where, i);
  return model;
}

BpeModel BpeModel::from_sentencepiece(const SentencePieceModel& source) {
  BpeModel model;
  model.fuse_unk_ = true;
  for (const auto& piece : source.pieces) model.pieces_.push_back(piece.text);
  model.index_pieces();
  model.unk_id_ = source.unk_id;
  // The conversion looks byte pieces up whether or not the model sets byte_fallback.
  for (int byte = 0; byte < 256; ++byte)
    model.byte_ids_.push_back(model.id_of(fmt::format("<0x{:02X}>", byte)).value_or(-1));

  struct Split {
    float score;
    int32_t left, right, merged;
  };
  std::vector<Split> splits;
  for (size_t id = 0; id < source.pieces.size(); ++id) {
    const std::string& piece = source.pieces[id].text;
    const auto first = static_cast<ptrdiff_t>(splits.size());
    for (size_t cut = decode_utf8(piece, 0).length; cut < piece.size();
         cut += decode_utf8(piece, cut).length) {
      const auto left = model.id_of(piece.substr(0, cut)), right = model.id_of(piece.substr(cut));
      if (left && right)
        splits.push_back({source.pieces[id].score, *left, *right, static_cast<int32_t>(id)});
    }
    std::sort(splits.begin() + first, splits.end(), [](const Split& a, const Split& b) {
      return std::pair(a.left, a.right) < std::pair(b.left, b.right);
    });
  }
  std::stable_sort(splits.begin(), splits.end(),
                   [](const Split& a, const Split& b) { return a.score > b.score; });
  for (const Split& split : splits)
    model.merges_[pair_key(split.left, split.right)] = {static_cast<int64_t>(model.merges_.size()),
                                                        split.merged};
  return model;
}

void BpeModel::encode(std::string_view word, std::vector<TokenId>& ids) const {
  if (ignore_merges_) {
    const auto whole = id_of(std::string(word) + end_of_word_suffix_);
    if (whole && !forbidden_[static_cast<size_t>(*whole)]) {
      ids.push_back(*whole);
      return;
    }
  }
  std::vector<BpeSymbol> symbols;
  symbols.reserve(word.size());
  bool unknown_before = false;
  for (size_t i = 0; i < word.size();) {
    const size_t length = decode_utf8(word, i).length;
    std::string piece(word.substr(i, length));
    i += length;
    if (i == word.size()) piece += end_of_word_suffix_;
    const auto id = id_of(piece);
    if (id && !forbidden_[static_cast<size_t>(*id)]) {
      symbols.push_back({{}, *id});
      unknown_before = false;
      continue;
    }
    const auto byte_id = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
    if (!byte_ids_.empty() &&
        std::all_of(piece.begin(), piece.end(), [&](char b) { return byte_id(b) >= 0; })) {
      for (const char byte : piece) symbols.push_back({{}, byte_id(byte)});
      unknown_before = false;
      continue;
    }
    // A run of unknown characters is one <unk> if fuse_unk; without an unk_token they vanish.
    if (unk_id_ && !(fuse_unk_ && unknown_before)) symbols.push_back({{}, *unk_id_});
    unknown_before = true;
  }
  Rule rule(*this);
  for (const BpeSymbol& symbol : bpe_merge(std::move(symbols), rule)) ids.push_back(symbol.id);
}

}  // namespace isthmus::text
