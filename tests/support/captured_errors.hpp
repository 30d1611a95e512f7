// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <iostream>
#include <sstream>
#include <streambuf>
#include <string>

namespace cohort_test {

/// What is written to std::cerr while this lives.
class captured_errors {
public:
  captured_errors() : before_(std::cerr.rdbuf(text_.rdbuf())) {}
  ~captured_errors() { std::cerr.rdbuf(before_); }
  captured_errors(const captured_errors&) = delete;
  captured_errors& operator=(const captured_errors&) = delete;
  std::string text() const { return text_.str(); }

private:
  std::ostringstream text_;
  std::streambuf* before_;
};

} // namespace cohort_test
