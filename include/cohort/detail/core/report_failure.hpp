// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <iostream>
#include <string>

namespace cohort::detail {

/// One line on stderr about an exception that nobody else takes.
inline void report_failure(const char* where, const std::exception_ptr& failure)
{
  std::string line = std::string("cohort: ") + where + ": ";
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    line += error.what();
  } catch (...) {
    line += "unknown exception";
  }
  std::cerr << line + '\n';
}

} // namespace cohort::detail
