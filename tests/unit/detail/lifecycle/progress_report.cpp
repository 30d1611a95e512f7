// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/progress_report.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

namespace progress_report_test {

using cohort::detail::progress_report;
namespace wire = cohort::detail::wire;

namespace {

struct told {
  void operator()(const wire::load& message)
  {
    words += "load " + std::to_string(message.value) + ' ';
  }
  void operator()(const wire::served& message)
  {
    words += "served " + std::to_string(message.count) + ' ';
  }

  std::string words;
};

std::string tell(progress_report& report)
{
  told all;
  report.tell(all);
  return all.words;
}

} // namespace

TEST_CASE("only the first of several reports begins to tell, and all are told at once")
{
  progress_report report;
  CHECK(report.load(3));
  CHECK_FALSE(report.done(1));
  CHECK_FALSE(report.load(5));
  CHECK_FALSE(report.done(2));
  CHECK(tell(report) == "load 5 served 3 ");
  CHECK(report.done(1));
  CHECK(tell(report) == "served 1 ");
}

TEST_CASE("what is no news is not told")
{
  progress_report report;
  CHECK_FALSE(report.load(0));
  CHECK_FALSE(report.done(0));
  CHECK(report.load(3));
  CHECK_FALSE(report.load(0));
  CHECK(tell(report) == "");
  CHECK_FALSE(report.load(0));
}

TEST_CASE("more requests than one message holds are told by several")
{
  progress_report report;
  constexpr std::uint32_t most = 0xffffffff;
  CHECK(report.done(most));
  CHECK_FALSE(report.done(most));
  CHECK_FALSE(report.done(2));
  CHECK(tell(report) == "served 4294967295 served 4294967295 served 2 ");
  CHECK(tell(report) == "");
}

} // namespace progress_report_test
