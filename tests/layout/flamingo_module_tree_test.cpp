#include "layout/flamingo_module_tree.h"

#include <array>

#include <nlohmann/json.hpp>

#include "layout/fixtures.h"
#include "layout/flamingo_model.h"

namespace isthmus::layout {
namespace {

namespace fs = std::filesystem;

constexpr std::array kCases = {"mpt1b_mosaic_every1", "neox_rpj_every2", "neox_pythia_parallel",
                               "mpt7b_every1",        "mpt7b_every4",    "opt_every2"};

FlamingoModel open_case(const std::string& name) {
  return FlamingoModel::open(find_flamingo(flamingo_case(name) / "model", {}, {}));
}

TEST(FlamingoModuleTree, PrintsEveryCaseAsPyTorchDoes) {
  for (const char* name : kCases)
    EXPECT_EQ(to_string(open_case(name).module_tree()) + "\n",
              text_of(flamingo_case(name) / "print_model.txt"))
        << name;
}

}  // namespace
}  // namespace isthmus::layout
