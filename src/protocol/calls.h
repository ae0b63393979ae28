// The calls of tools in what a model says, found while it says it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/exchange.h"
#include "protocol/object_text.h"
#include "protocol/tools.h"

namespace isthmus::protocol {

// One step of what is said: some text, or a call, which is kCall, kArguments as often as it takes,
// and kCallEnd unless the answer ended before it did.
struct Said {
  enum class Kind { kText, kCall, kArguments, kCallEnd };
  Kind kind = Kind::kText;
  std::string text;  // kCall: the name of the tool; kArguments: more of a JSON object
};

// What only looks like a call, or calls no tool that there is, stays text. A forced call, which its
// grammar holds to be one, is told as it comes; one that the model makes by itself is told when it
// has proved to be one.
class CallFinder {
 public:
  enum class Forced { kInPieces, kWhole };  // kWhole: one that ends before it is whole is text

  // `use` may be filled in later, until something is taken.
  explicit CallFinder(const ToolUse& use, Forced forced = Forced::kInPieces)
      : use_(&use), forced_(forced) {}
  // Where an answer is cut into pieces makes no difference to all that is said.
  std::vector<Said> take(std::string_view piece);
  std::vector<Said> finish();

 private:
  // How far a forced call has come.
  enum class Stage { kName, kArguments, kInside, kBehind };

  std::vector<Said> take_forced();

  const ToolUse* use_;
  Forced forced_;
  std::string held_;
  bool inside_ = false, called_ = false;
  Stage stage_ = Stage::kName;
  ObjectText arguments_;
};

struct ToolCall {
  std::string name, arguments;  // arguments: JSON text of an object, as far as it came
  bool complete = false;
};
// Text as it is, or a call.
struct Spoken {
  std::string text;
  std::optional<ToolCall> call;
};

// What was said, in its order; neighbouring texts are one.
void add_said(const std::vector<Said>& said, std::vector<Spoken>& spoken);
std::vector<Spoken> spoken_in(const ToolUse& use, const std::string& answer,
                              CallFinder::Forced forced = CallFinder::Forced::kInPieces);
// It calls, and no call of it is broken off.
bool calls_tools(const std::vector<Spoken>& spoken);
// The arguments of a call as an object; members that did not come to their end are left out.
Json arguments_of(const ToolCall& call);

}  // namespace isthmus::protocol
