#include "report/page.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dilemma {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Page, HoldsEverythingItNeeds) {
  const std::string page = RenderPage({{"title", "A plan"}, {"kind", "plan"}});
  EXPECT_THAT(page, HasSubstr("<title>A plan</title>"));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page, HasSubstr("function showReport()"));
  EXPECT_THAT(page, Not(HasSubstr("{{")));
  for (const char* outside : {"<link", "<img", "<iframe", " src=", "@import", "url(\"http", "import("}) {
    EXPECT_THAT(page, Not(HasSubstr(outside))) << outside;
  }
  EXPECT_GT(page.size(), 200'000U);  // the charts library is in
  EXPECT_LT(page.size(), 1'500'000U);
}

TEST(Page, DataCannotEndItsElement) {
  const std::string page = RenderPage({{"title", "</title><b>"}, {"x", "</script><!-- {{style}}"}});
  EXPECT_THAT(page, HasSubstr("<title>&lt;/title&gt;&lt;b&gt;</title>"));
  EXPECT_THAT(page, HasSubstr("\\u003c/script>\\u003c!-- {{style}}"));
  EXPECT_THAT(page, Not(HasSubstr("</script><!--")));
}

TEST(Page, BrokenUtf8IsReplaced) { EXPECT_THAT(RenderPage({{"x", "\xff"}}), HasSubstr("\xEF\xBF\xBD")); }

}  // namespace
}  // namespace dilemma
