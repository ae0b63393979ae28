// Describes a picture after the manner of solved examples:
//   few_shot FLAMINGO [PICTURE CAPTION]... PICTURE
#include <iostream>

#include <isthmus/model.h>

int main(int argc, char** argv) {
  if (argc < 3 || argc % 2 == 0)
    return std::cerr << "usage: few_shot MODEL [PICTURE CAPTION]... PICTURE\n", 2;
  auto [tokenizer, model, image_processor, context_len] = isthmus::load_pretrained_model(argv[1]);
  isthmus::Request request;
  for (int i = 2; i + 1 < argc; i += 2) {
    request.messages.push_back({"user", {isthmus::Part::of_image(argv[i])}});
    request.messages.push_back({"assistant", {isthmus::Part::of_text(argv[i + 1])}});
  }
  request.messages.push_back({"user", {isthmus::Part::of_image(argv[argc - 1])}});
  request.conversation_template = "caption";
  request.generate.max_new_tokens = 20;
  std::cout << model.generate(request).text << "\n";
}
