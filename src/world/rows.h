// Training rows of the language model: texts in which every word has its weight in the loss. A
// picture is the word <img>, and its description stands where later its soft tokens will.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "world/dice.h"
#include "world/text.h"

namespace isthmus::world {

// Words that weigh alike.
struct Span {
  std::string text;
  double weight = 0;  // of each word
};

struct Row {
  std::string_view kind;  // "scene", "modality", "lookup", "naming", "task"; or a question's
  std::vector<Span> spans;
  std::vector<std::string> names;  // of a naming row: those in play, for a closed choice

  std::string text() const;
  size_t num_words() const;
};

// In these weights: an answer counts, its description hardly.
inline constexpr double kAnswerWeight = 1, kDescriptionWeight = .05, kEndWeight = .1,
                        kCopyWeight = .3, kFirstNameWeight = .02, kFirstTaskWeight = .1,
                        kEpisodeEndWeight = .02;

struct RowOptions {
  int length = 72;  // words of a row at most, and one for <bos>, which is not written
  int max_objects = 3;
  bool sizes = true;  // in the descriptions of scene and modality rows
  AskWeights asks = kUsualAsks;
};

// How often each kind of row is drawn.
struct RowMix {
  double scenes = 5, modalities = .5, lookups = 2, namings = 3, tasks = 1;
};

// Row `index` of the stream `seed`, of a kind drawn by weight.
Row text_row(uint64_t seed, uint64_t index, const RowMix& mix = {}, const RowOptions& options = {});

// <img> DESCRIPTION <sep> QUESTION ANSWER . QUESTION ANSWER . …, scene after scene; an object is
// drawn for every question.
Row scene_row(Dice& dice, const RowOptions& options = {});
// The same with the seven other modalities.
Row modality_row(Dice& dice, const RowOptions& options = {});
// KEY VALUE . of a few random pairs of words, again and again in random order.
Row lookup_row(Dice& dice, const RowOptions& options = {});

// What a name is given to.
enum class NameClass : uint8_t { kColour, kShape, kObject };
// a red cube | a red cube at the left | red cube | cube red | only the word of the class
enum class NameForm : uint8_t { kArticle, kPlaced, kBare, kReversed, kWord };

struct NamingOptions {
  NameClass of = NameClass::kObject;
  int ways = 2;  // how many names
  NameForm form = NameForm::kArticle;
  // Evaluation: so many shots, all names equally often if possible, in random order, then a query
  // whose name is drawn evenly. Negative: as many as fit into the row, names drawn evenly.
  int shots = -1;
};
NamingOptions draw_naming(Dice& dice);
// Which of the names stands at each of `shots` places, and last which one is asked for.
std::vector<int> balanced_order(Dice& dice, int ways, int shots);

// <img> a red cube is dax . <img> a blue cone is wug . …; of kColour and kShape the other attribute
// is drawn anew every time. What is bound to a name is drawn anew for every row.
Row naming_row(Dice& dice, const NamingOptions& naming, const RowOptions& options = {});

// What the answers of a row have in common, never said: an attribute of one of the objects.
enum class Attribute : uint8_t { kColour, kShape, kPlace, kColourAndShape };
struct Task {
  int num_objects = 1;
  int object = 0;  // the first or the second mentioned
  Attribute attribute = Attribute::kColour;
};
Task draw_task(Dice& dice);
// The six of two objects or, with colour and shape together, four of one.
std::vector<Task> all_tasks(int num_objects);
std::string answer_to(const Task& task, const std::vector<Item>& items);

// <img> DESCRIPTION <sep> ANSWER . again and again, or `shots` times and a query; descriptions
// leave sizes out, so that more of them fit.
Row task_row(Dice& dice, const Task& task, int shots = -1, const RowOptions& options = {});

// Evaluation: <img> DESCRIPTION <sep> QUESTION ANSWER . of one scene.
Row question_row(Dice& dice, Ask kind, int num_objects, const RowOptions& options = {});

}  // namespace isthmus::world
