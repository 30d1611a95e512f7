// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/report_failure.hpp>

#include "support/captured_errors.hpp"

#include <doctest/doctest.h>

#include <exception>
#include <stdexcept>

namespace report_failure_test {

TEST_CASE("an exception that nobody takes is one line with its reason")
{
  cohort_test::captured_errors errors;
  cohort::detail::report_failure("here", std::make_exception_ptr(std::runtime_error("too late")));
  cohort::detail::report_failure("there", std::make_exception_ptr(7));
  CHECK(errors.text() == "cohort: here: too late\ncohort: there: unknown exception\n");
}

} // namespace report_failure_test
