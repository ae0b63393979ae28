// What is said of a medium: its description, and questions with the one right answer.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "world/dice.h"
#include "world/scene.h"

namespace isthmus::world {

// Questions about objects on the table.
enum class Ask : uint8_t {
  kColour,  // what color is the cube ?              red
  kShape,   // what shape is red ?                   cube
  kWhere,   // where is the red cube ?               back-left
  kAt,      // what is at the back-left ?            a red cube
  kExists,  // is there a red cube ?                 yes | no
  kCount,   // how many objects ?                    two
  kSize,    // what size is the red cube ?           small
  kLeft,    // what is left of the red cube ?        a blue cone | nothing
  kRight,   // what is right of the red cube ?
  kFront,   // what is in front of the red cube ?
  kBehind,  // what is behind the red cube ?
  kLarger,  // which is larger , the red cube or the blue cone ?   the red cube | neither
  kCloser,  // which is closer , the red cube or the blue cone ?   the red cube
};
inline constexpr size_t kNumAsks = 13;
std::string_view name_of(Ask ask);  // "color", "shape", "where" …

// How often each is drawn.
using AskWeights = std::array<double, kNumAsks>;
inline constexpr AskWeights kUsualAsks{2, 2, 2, 2, 2, 1, 1, .3, .3, .3, .3, .3, .3};

// Depth and normals show no colours.
struct Wording {
  bool colours = true;
  bool sizes = true;  // in descriptions
};

struct Exchange {
  std::string_view kind;
  std::string question, answer;
};

// "a small red cube at the back-left and a large blue cone at the front", without end.
std::string describe(const std::vector<Item>& items, const Wording& wording = {});

// The object asked about is drawn; nothing if words and picture leave the answer open for it.
std::optional<Exchange> ask(Dice& dice, const std::vector<Item>& items, Ask kind,
                            const Wording& wording = {});
// Of a kind drawn by weight.
Exchange ask_any(Dice& dice, const std::vector<Item>& items, const AskWeights& weights = kUsualAsks,
                 const Wording& wording = {});
// Different questions, each about an object drawn independently; fewer than `count` where a scene
// has no more.
std::vector<Exchange> questions(Dice& dice, const std::vector<Item>& items, int count,
                                const AskWeights& weights = kUsualAsks,
                                const Wording& wording = {});

// All that can be said of a medium that shows no table.
struct Account {
  std::string description;
  std::vector<Exchange> exchanges;
};

struct Movement {  // one object on its way
  Item what;
  int direction = 0, speed = 0;
};
struct Sounds {  // a few of one kind
  int count = 1, pitch = 0, kind = 0;
};
struct Activity {  // of a person who carries a motion sensor
  int activity = 0, turn = 0;
};

// The description and all questions.
Account account_of(const Movement& movement);  // a small red cube moving left slowly
Account account_of(const Sounds& sounds);      // two high buzzes
Account account_of(const Activity& activity);  // a person running turning left
Account account_of_seeing(const Item& seen);   // seeing a red cube

Movement draw_movement(Dice& dice, Split split);
Sounds draw_sounds(Dice& dice);
Activity draw_activity(Dice& dice);

}  // namespace isthmus::world
