// Finds models and vision towers on disk: by path, below search roots, in the local Hugging Face
// cache.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::layout {

// Where to look. Nothing is ever downloaded.
struct ModelLocator {
  std::vector<std::filesystem::path> roots;  // ISTHMUS_MODELS, separated by ':'
  std::filesystem::path hub_cache;           // "" when there is no home folder
  std::filesystem::path clip_cache = {};     // where OpenAI's loader and open_clip keep archives

  // hub_cache is the first that is set of HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub,
  // XDG_CACHE_HOME/huggingface/hub, HOME/.cache/huggingface/hub, as huggingface_hub decides.
  // clip_cache is HOME/.cache/clip.
  static ModelLocator from_environment();

  // What comes with Isthmus, below it `demo/` and `recipes/`: ISTHMUS_SHARE, else share/isthmus
  // beside the program's folder, else the sources it was built from. Throws ModelError.
  static std::filesystem::path shared_files();

  // MODEL of the command line: an existing folder or file; else a name below a root; else one of
  // the models that come with Isthmus (demo-llava, demo-onellm, demo-flamingo); else a repository
  // id
  // ("liuhaotian/llava-v1.5-7b") in the cache. Throws ModelError listing every place looked at.
  std::filesystem::path find_model(const std::string& model) const;

  // The vision tower that a config names ("openai/clip-vit-large-patch14-336"): `chosen` when
  // given; an absolute path that exists; else, by its full name and then by its last component,
  // inside the model's folder, beside it, one level further up, below the roots; else in the cache.
  // A relative name never leaves those places: only what follows its last ".." is looked for.
  // Throws ModelError listing every place looked at.
  std::filesystem::path find_vision_tower(const std::string& name,
                                          const std::filesystem::path& model_folder,
                                          const std::filesystem::path& chosen = {}) const;

  // A piece of a model that something else names, as find_model finds it but relative to `folder`
  // first. The message begins with `named_by` ("m/isthmus.json: language_model", "--base") and ends
  // with `advice`.
  std::filesystem::path find_piece(const std::string& name, const std::filesystem::path& folder,
                                   const std::string& named_by, const std::string& advice) const;

  // A CLIP in the layout of open_clip, of OpenAI, or of Hugging Face: a path, relative to `folder`
  // first; else a published name ("ViT-L-14"): its archive NAME.pt, or a folder NAME, in `folder`,
  // beside it, below the roots, in clip_cache, then the same weights in the Hugging Face cache.
  std::filesystem::path find_clip(const std::string& name, const std::filesystem::path& folder,
                                  const std::string& named_by, const std::string& advice) const;
};

}  // namespace isthmus::layout
