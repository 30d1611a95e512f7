// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>
#include <map>
#include <string>

namespace cohort_test {

/// What a process started by a test does instead of running tests.
///
/// A test program starts itself again with COHORT_TEST_ROLE=name in the environment. When that
/// process is a worker (COHORT_WORKER_ID is set), or COHORT_TEST_ROLE_PLAIN=1 is set, main()
/// returns what the role registered under that name returns; no test framework exists in it.
///
///     const cohort_test::worker_role echo("echo", [](int argc, char** argv) -> int { ... });
///
/// or, with `argc` and `argv` in scope, COHORT_TEST_WORKER_ROLE(echo) { ...; return 0; }
///
/// Names are unique within a test program.
class worker_role {
public:
  using function = int (*)(int argc, char** argv);

  worker_role(const char* name, function run) { registry().emplace(name, run); }

  /// The role of that name; nullptr when there is none.
  static function find(const std::string& name)
  {
    const auto found = registry().find(name);
    return found == registry().end() ? nullptr : found->second;
  }

private:
  static std::map<std::string, function>& registry()
  {
    static std::map<std::string, function> roles;
    return roles;
  }
};

/// A variable of this process's environment; empty when it is not there.
inline std::string variable(const char* name)
{
  const char* const value = std::getenv(name);
  return value ? value : "";
}

} // namespace cohort_test

#define COHORT_TEST_WORKER_ROLE(name)                                                              \
  static int cohort_test_role_##name(int argc, char** argv);                                       \
  static const cohort_test::worker_role cohort_test_role_object_##name(                            \
      #name, cohort_test_role_##name);                                                             \
  static int cohort_test_role_##name([[maybe_unused]] int argc, [[maybe_unused]] char** argv)
