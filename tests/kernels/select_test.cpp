#include <gtest/gtest.h>

#include "isthmus/error.h"
#include "kernels/table.h"

namespace isthmus::kernels {
namespace {

TEST(Select, TheGenericTableAlwaysExistsAndComesLast) {
  ASSERT_FALSE(supported_tables().empty());
  EXPECT_STREQ(supported_tables().back()->name, "generic");
  EXPECT_EQ(&table_for("generic"), supported_tables().back());
}

TEST(Select, TheEmptyNameMeansTheBest) { EXPECT_EQ(&table_for(""), supported_tables().front()); }

TEST(Select, AnUnknownNameIsAUsageErrorThatNamesTheChoices) {
  try {
    table_for("avx1024");
    FAIL() << "no error";
  } catch (const UsageError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("ISTHMUS_ISA=avx1024"), std::string::npos) << message;
    EXPECT_NE(message.find("generic"), std::string::npos) << message;
  }
}

TEST(Select, AnUnsupportedOneIsAUsageError) {
  for (const char* isa : {"avx2", "avx_vnni", "avx512", "amx"}) {
    bool supported = false;
    for (const char* name : supported_isas()) supported = supported || std::string(name) == isa;
    if (!supported) {
      EXPECT_THROW(table_for(isa), UsageError);
    }
  }
}

TEST(Select, EveryNameThatIsSupportedIsTaken) {
  EXPECT_STREQ(supported_isas().back(), "generic");
  for (const char* name : supported_isas()) EXPECT_NO_THROW(table_for(name)) << name;
}

}  // namespace
}  // namespace isthmus::kernels
