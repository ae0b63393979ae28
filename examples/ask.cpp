// Answers one question about one picture:  ask MODEL PICTURE QUESTION
#include <iostream>

#include <isthmus/model.h>

int main(int argc, char** argv) {
  if (argc != 4) return std::cerr << "usage: ask MODEL PICTURE QUESTION\n", 2;
  auto [tokenizer, model, image_processor, context_len] = isthmus::load_pretrained_model(argv[1]);
  const isthmus::Request request{
      {{"user", {isthmus::Part::of_image(argv[2]), isthmus::Part::of_text(argv[3])}}}};
  model.generate(request,
                 [](std::string_view piece) { return bool(std::cout << piece << std::flush); });
  std::cout << "\n";
}
