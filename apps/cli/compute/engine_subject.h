// A loaded model as the evaluation sees it.
#pragma once

#include "eval/subject.h"
#include "isthmus/model.h"

namespace isthmus::cli {

class EngineSubject : public eval::Subject {
 public:
  explicit EngineSubject(const Model& model) : model_(model) {}
  std::vector<std::string> generate(std::span<const Request> requests) override;
  std::vector<std::vector<double>> rank(std::span<const Request> contexts,
                                        std::span<const std::string> class_names) override;
  std::vector<std::vector<float>> image_embeddings(
      std::span<const std::filesystem::path> pictures) override;
  std::string fingerprint() const override;

 private:
  Model model_;
};

}  // namespace isthmus::cli
