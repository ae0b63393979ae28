// The pieces requests are made of; here because every layer may make one.
#include <utility>

#include "isthmus/input.h"

namespace isthmus {

Part Part::of_text(std::string text) {
  Part part;
  part.text = std::move(text);
  return part;
}

Part Part::of_token(std::string spelling) {
  Part part;
  part.type = Type::kToken;
  part.text = std::move(spelling);
  return part;
}

Part Part::of_media(std::string modality, std::filesystem::path path) {
  Part part;
  part.type = Type::kMedia;
  part.modality = std::move(modality);
  part.path = std::move(path);
  return part;
}

Part Part::of_image_data(std::vector<std::byte> bytes) {
  Part part = of_media("image", {});
  part.data = std::move(bytes);
  return part;
}

}  // namespace isthmus
