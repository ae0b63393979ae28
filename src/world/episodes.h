// Texts about real pictures: few-shot episodes, descriptions, questions. Nothing of a picture is
// said in them but what is to be answered.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "world/rows.h"
#include "world/scene.h"

namespace isthmus::world {

// The pictures of a training or test run, by number, so that the features of each need computing
// only once.
class Album {
 public:
  // counts[n - 1] scenes of n objects, one after the other.
  using Counts = std::array<size_t, 4>;
  Album(uint64_t seed, Split split, const Counts& counts = {5000, 5000, 3000, 0});

  size_t size() const { return scenes_.size(); }
  const Scene& scene(size_t index) const { return scenes_[index]; }
  // All pictures of so many objects.
  const std::vector<size_t>& of_objects(int count) const;
  // All pictures that show this pair alone.
  const std::vector<size_t>& of_pair(int shape, int colour) const;

 private:
  std::vector<Scene> scenes_;
  std::array<std::vector<size_t>, 4> by_count_;
  std::array<std::vector<size_t>, 32> by_pair_;
};

// The n-th word <img> of the text stands for picture pictures[n] of the album.
struct Episode {
  Row row;
  std::vector<size_t> pictures;
};

struct NamingEpisode {
  NameClass of = NameClass::kObject;
  int ways = 2, shots = 8;
  bool balanced = false;  // evaluation: all names equally often if possible, then the query's
};

// <img> is dax . <img> is wug . … of pictures of one object, the shots and a query. Repeated names
// weigh 1, all else 0.
Episode naming_episode(Dice& dice, const Album& album, const NamingEpisode& naming);
// <img> <sep> red . <img> <sep> green . …: answers weigh 1, the first .1.
Episode task_episode(Dice& dice, const Album& album, const Task& task, int shots = 8);
// <img> <sep> QUESTION ANSWER .
Episode question_episode(Dice& dice, const Album& album, size_t picture,
                         const AskWeights& asks = kUsualAsks);
// <img> <sep> describe DESCRIPTION .
Episode description_episode(const Album& album, size_t picture, bool sizes = true);

// Episode `index` of the stream `seed`: naming (2 or 3 ways) or task (one or two objects), evenly.
Episode draw_episode(uint64_t seed, uint64_t index, const Album& album, int shots = 8);
// About one picture of 1 1 2 2 or 3 objects: 40 % descriptions, else questions.
Episode draw_picture_row(uint64_t seed, uint64_t index, const Album& album, bool sizes = true,
                         const AskWeights& asks = kUsualAsks);

// Controls: all pictures but the last, or only the last, replaced by random ones of as many
// objects.
Episode with_other_shots(Dice& dice, const Album& album, Episode episode);
Episode with_other_query(Dice& dice, const Album& album, Episode episode);

}  // namespace isthmus::world
