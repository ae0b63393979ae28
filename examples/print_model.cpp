// Shows a checkpoint as print(model) does:  print_model MODEL
#include <iostream>

#include <isthmus/model.h>

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: print_model MODEL\n", 2;
  auto [tokenizer, model, image_processor, context_len] =
      isthmus::load_pretrained_model(argv[1], "", isthmus::get_model_name_from_path(argv[1]));
  std::cout << model << "\n";
}
