// Whose question comes next: clients take turns.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace isthmus::serving {

// Start-time fair queueing with a question's answers as its length: every question has a turn, its
// client's turns are apart by what it asked, and smaller turns come first, equal ones as they came.
// A client that asks a hundred questions at once has a hundred turns, one behind the other; another
// that then asks one has the next.            Goyal, Vin, Cheng 1997. One thread at a time.
class FairOrder {
 public:
  // Of the client's newest question.
  int64_t turn_of(const std::string& client, int64_t answers);
  // A question of this turn begins: whoever asks from now on has no earlier one, so that nobody
  // saves up turns by being silent.
  void begins(int64_t turn);

 private:
  int64_t now_ = 0;
  std::map<std::string, int64_t> next_;  // of clients whose next turn is not now
};

}  // namespace isthmus::serving
