// OrderedJson, where its name is enough.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace isthmus {

template <class Key, class Value, class Less, class Allocator>
class OrderedObject;

using OrderedJson = nlohmann::basic_json<OrderedObject>;

}  // namespace isthmus
