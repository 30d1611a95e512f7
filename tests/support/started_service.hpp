// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/machine.hpp>

#include <string>
#include <vector>

namespace cohort_test {

/// The command line that starts a program as a service manager does: role "as_service" of
/// `tests/process/service_role.cpp` makes sockets and becomes the program.
///
/// @param sockets words "NAME=tcp:PORT", "NAME=udp:PORT" or "NAME=unix:PATH", in the order of their
///   descriptors from 3 on.
/// @param variables each "NAME=VALUE".
inline std::vector<std::string> as_service(const std::string& sockets,
    const std::vector<std::string>& variables, const std::vector<std::string>& command)
{
  std::vector<std::string> words = {"/usr/bin/env", "COHORT_TEST_ROLE_PLAIN=1",
      "COHORT_TEST_ROLE=as_service", "COHORT_TEST_SOCKETS=" + sockets};
  words.insert(words.end(), variables.begin(), variables.end());
  words.push_back(cohort::detail::posix::executable_path());
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

/// The command line of one of this program's roles, for that.
inline std::vector<std::string> role_command(const std::string& role)
{
  return {"/usr/bin/env", "COHORT_TEST_ROLE=" + role, cohort::detail::posix::executable_path()};
}

} // namespace cohort_test
