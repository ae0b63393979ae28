#include "engine_subject.h"

namespace isthmus::cli {

std::vector<std::string> EngineSubject::generate(std::span<const Request> requests) {
  std::vector<std::string> texts;
  for (Answer& answer : model_.generate_batch(requests)) texts.push_back(std::move(answer.text));
  return texts;
}

std::vector<std::vector<double>> EngineSubject::rank(std::span<const Request> contexts,
                                                     std::span<const std::string> class_names) {
  return model_.rank(contexts, class_names);
}

std::vector<std::vector<float>> EngineSubject::image_embeddings(
    std::span<const std::filesystem::path> pictures) {
  return model_.image_embeddings(pictures);
}

std::string EngineSubject::fingerprint() const { return model_.fingerprint(); }

}  // namespace isthmus::cli
