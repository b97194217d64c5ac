#include "ensconce/base/printable.h"

#include <gtest/gtest.h>

namespace ensconce {
namespace {

TEST(Printable, LeavesPlainTextAlone) {
  EXPECT_EQ(printable("ARK-Milan ~\\x1b"), "ARK-Milan ~\\x1b");
  EXPECT_EQ(printable(std::string(128, 'a')), std::string(128, 'a'));
}

TEST(Printable, EscapesWhatATerminalActsOn) {
  EXPECT_EQ(printable(std::string_view("\0\n\033[2J\x7f\xc2\x9b", 9)),
            "\\x00\\x0a\\x1b[2J\\x7f\\xc2\\x9b");
}

TEST(Printable, CutsWhatIsLongAndNoEscapeInTwo) {
  EXPECT_EQ(printable(std::string(129, 'a')), std::string(128, 'a') + "...");
  EXPECT_EQ(printable(std::string(7, '\n'), 6), "\\x0a...");
  const std::string once = printable(std::string(40000, '\033'));
  EXPECT_EQ(once.size(), 128U + 3U);
  EXPECT_EQ(printable(once), once);
}

}  // namespace
}  // namespace ensconce
