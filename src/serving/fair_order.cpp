#include "serving/fair_order.h"

#include <algorithm>

namespace isthmus::serving {

int64_t FairOrder::turn_of(const std::string& client, int64_t answers) {
  int64_t& next = next_[client];
  const int64_t turn = std::max(next, now_);
  next = turn + answers;
  return turn;
}

void FairOrder::begins(int64_t turn) {
  now_ = std::max(now_, turn);
  std::erase_if(next_, [&](const auto& client) { return client.second <= now_; });
}

}  // namespace isthmus::serving
