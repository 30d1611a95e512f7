// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace cohort_test {

/// What a file says that has one word.
inline std::string first_word(const std::string& path)
{
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

/// Whether this program is to replace another one; before it has a supervisor.
inline bool is_new_program() { return std::getenv("COHORT_UPGRADE_FD") != nullptr; }

/// What becomes of a new program that is not to be one: exit, crash, hang, babble; nothing for any
/// other word.
inline void meet_fate(const std::string& fate)
{
  if (fate == "exit") ::_exit(3);
  if (fate == "crash") ::raise(SIGKILL);
  if (fate == "babble")
    ::send(std::atoi(std::getenv("COHORT_UPGRADE_FD")), "hello", 5, MSG_NOSIGNAL);
  // Until it is killed.
  if (fate == "hang" || fate == "babble")
    for (;;) ::pause();
}

} // namespace cohort_test
