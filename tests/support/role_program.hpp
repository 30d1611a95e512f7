// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/machine.hpp>

#include "support/client.hpp"
#include "support/program.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <string>
#include <vector>

namespace cohort_test {

/// This program again as a primary, in one of its roles.
class role_program : public program {
public:
  explicit role_program(const std::string& role, const std::string& variable = "COHORT_TEST_RUN=")
      : role_program(role, std::vector<std::string>(1, variable))
  {
  }
  /// With these variables, each "NAME=VALUE".
  role_program(const std::string& role, const std::vector<std::string>& variables)
      : program(command(role, variables))
  {
  }

  /// The number that follows `word` on the next line.
  int number(const std::string& word)
  {
    const std::string said = line();
    REQUIRE_MESSAGE(said.starts_with(word + ' '), said);
    return std::stoi(said.substr(word.size() + 1));
  }

  /// Where the workers listen, once it says so.
  address listening() { return address::tcp4(static_cast<std::uint16_t>(number("listening"))); }

  /// Waits until all who hold its stdout are gone: the primary and its workers.
  void wait_for_all() { CHECK(line().empty()); }

private:
  static std::vector<std::string> command(
      const std::string& role, const std::vector<std::string>& variables)
  {
    std::vector<std::string> words(1, "/usr/bin/env");
    words.push_back("COHORT_TEST_ROLE_PLAIN=1");
    words.push_back("COHORT_TEST_ROLE=" + role);
    words.insert(words.end(), variables.begin(), variables.end());
    words.push_back(cohort::detail::posix::executable_path());
    return words;
  }
};

/// Whether what is sent comes back.
inline bool echoes(client& live)
{
  std::string line;
  return live.send("hello\n") == outcome::ok && live.receive(line) == outcome::ok &&
         line == "hello";
}

/// Waits until nobody listens there any more.
inline void wait_for_refusal(const address& where)
{
  // Not as fast as can be: who knocks without a pause is served for a second longer.
  while (client().connect(where) == outcome::ok) ::poll(nullptr, 0, 1);
}

} // namespace cohort_test
