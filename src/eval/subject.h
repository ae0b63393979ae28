// The model under test, as the evaluation sees it.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "isthmus/input.h"

namespace isthmus::eval {

// Called from one thread. Every request holds a literal `prompt` and its generation settings. An
// InputError says that a picture cannot be used; then nothing of that call is kept.
class Subject {
 public:
  virtual ~Subject() = default;

  // The new text of each request, without the end token; one padded batch.
  virtual std::vector<std::string> generate(std::span<const Request> requests) = 0;
  // [contexts][class_names]: the mean log-probability of the tokens of a class name after a
  // context.
  virtual std::vector<std::vector<double>> rank(std::span<const Request> contexts,
                                                std::span<const std::string> class_names) = 0;
  // One vector per picture, all of the same length, of unit norm.
  virtual std::vector<std::vector<float>> image_embeddings(
      std::span<const std::filesystem::path> pictures) = 0;
  // Changes when the weights or the preprocessing change.
  virtual std::string fingerprint() const = 0;
};

}  // namespace isthmus::eval
