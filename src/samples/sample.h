// One training example as its data set holds it, before any model's template, and the data sets
// that yield them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "isthmus/error.h"
#include "isthmus/input.h"

namespace isthmus::samples {

// One turn of a conversation. `text` is as in the file, "<image>" markers included.
struct Turn {
  std::string role;  // "system", "user" or "assistant"
  std::string text;
};

// A conversation (`media` and `turns`), or text and media in their order (`document`).
struct Sample {
  std::string name;            // for messages: "chat.json[17] (id 0012)"
  std::vector<Part> media;     // of a conversation, in order
  std::vector<Turn> turns;     // a conversation …
  std::vector<Part> document;  // … or text and media in order; a caption pair is media, text
  // How much the answer of each turn, or the text of each part of `document`, counts in the loss;
  // empty: all alike. 0: it is read, not learnt.
  std::vector<float> weights;
  // What the answer of each turn, or the text of each part, is about: rows of tables. Or empty.
  std::vector<std::string> tags;
  // Interleaved pages that leave open which sentence a medium belongs to: how alike every medium
  // and every text of `document` are, [media][texts], both in the order of `document`.
  std::optional<std::vector<std::vector<double>>> similarities;
};

// A sample that cannot be used. It is counted; training goes on with the next.
class BadSample : public InputError {
 public:
  BadSample(const std::string& name, const std::string& reason)
      : InputError(name + ": " + reason) {}
};

// Random access, immutable, safe from any thread.
class DataSet {
 public:
  virtual ~DataSet() = default;
  virtual size_t size() const = 0;
  virtual Sample at(size_t index) const = 0;  // throws BadSample: name and reason
  // Another one when the data changed: training does not resume on other data unasked.
  virtual std::string fingerprint() const = 0;
};

}  // namespace isthmus::samples
