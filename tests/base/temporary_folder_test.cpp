#include "base/temporary_folder.h"

#include <fstream>

#include <gtest/gtest.h>

namespace isthmus {
namespace {

TEST(TemporaryFolder, IsGoneWithAllItHoldsUnlessKept) {
  std::filesystem::path gone, kept;
  {
    const TemporaryFolder first("isthmus-test"), second("isthmus-test");
    EXPECT_NE(first.path(), second.path());
    gone = first.path();
    std::filesystem::create_directory(gone / "below");
    std::ofstream(gone / "below/file") << "x";
    TemporaryFolder third("isthmus-test");
    kept = third.keep();
  }
  EXPECT_FALSE(std::filesystem::exists(gone));
  EXPECT_TRUE(std::filesystem::is_empty(kept));
  std::filesystem::remove(kept);
}

}  // namespace
}  // namespace isthmus
