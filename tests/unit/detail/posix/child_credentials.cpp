// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/child_credentials.hpp>

#include <doctest/doctest.h>

#include "support/capabilities.hpp"
#include "support/skip.hpp"

#include <array>
#include <grp.h>
#include <linux/securebits.h>
#include <string>
#include <vector>

namespace child_credentials_test {

// These functions change the process they run in, so every case runs in one of its own.

using namespace cohort::detail::posix;

namespace {

constexpr uid_t user = 12345;
constexpr gid_t group = 23456;

// The exit code of a copy of this process that calls `function`.
template <class Function>
int in_a_child(Function function)
{
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(function());
  int status = 0;
  while (::waitpid(pid, &status, 0) == -1 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

child_credentials as_user()
{
  child_credentials wanted{};
  wanted.sets_uid = true;
  wanted.uid = user;
  return wanted;
}

child_credentials with_groups(const std::vector<gid_t>& groups, std::vector<gid_t>& found)
{
  child_credentials wanted{};
  found.assign(groups.size(), 0);
  wanted.sets_groups = true;
  wanted.groups = groups.data();
  wanted.groups_found = found.data();
  wanted.group_count = static_cast<int>(groups.size());
  return wanted;
}

bool is_root() { return ::geteuid() == 0; }

// Those that root has by being root, and one that would stay when it is not.
bool raise_inheritable()
{
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  sets[0].inheritable = 1U << CAP_NET_BIND_SERVICE;
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

} // namespace

TEST_CASE("who wants nothing changed is verified as it is")
{
  CHECK(in_a_child([] {
    child_credentials wanted{};
    if (enter_group(wanted) || set_limits(wanted) || set_groups(wanted) || set_gid(wanted))
      return 1;
    if (set_uid(wanted) || forbid_new_privileges(wanted)) return 2;
    return verify_credentials(wanted);
  }) == 0);
}

TEST_CASE("all three user ids and all three group ids change")
{
  if (!is_root()) return cohort_test::skip("needs root");
  CHECK(in_a_child([] {
    child_credentials wanted = as_user();
    wanted.sets_gid = true;
    wanted.gid = group;
    if (set_gid(wanted) || set_uid(wanted) || verify_credentials(wanted)) return 1;
    uid_t users[3];
    gid_t groups[3];
    ::getresuid(&users[0], &users[1], &users[2]);
    ::getresgid(&groups[0], &groups[1], &groups[2]);
    for (const uid_t each : users)
      if (each != user) return 2;
    for (const gid_t each : groups)
      if (each != group) return 3;
    return wanted.changes_user ? 0 : 4;
  }) == 0);
}

TEST_CASE("an identity that is not the wanted one is found out")
{
  if (!is_root()) return cohort_test::skip("needs root");
  CHECK(in_a_child([] { return verify_credentials(as_user()); }) == EPERM);
  // The saved one alone would do to become root again.
  CHECK(in_a_child([] {
    if (::setresuid(user, user, 0) != 0) return 1;
    return verify_credentials(as_user());
  }) == EPERM);
  CHECK(in_a_child([] {
    child_credentials wanted{};
    wanted.sets_gid = true;
    wanted.gid = group;
    if (::setresgid(group, group, 0) != 0) return 1;
    return verify_credentials(wanted);
  }) == EPERM);
}

TEST_CASE("a user that could become root again is found out")
{
  if (!is_root()) return cohort_test::skip("needs root");
  CHECK(in_a_child([] {
    // Changing the user takes no capabilities away then.
    if (::prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) != 0) return 1;
    child_credentials wanted = as_user();
    if (set_uid(wanted) != 0) return 2;
    return verify_credentials(wanted);
  }) == EPERM);
}

TEST_CASE("who becomes another user has no capabilities left, whoever it was")
{
  if (!is_root()) return cohort_test::skip("needs root");
  const auto drop = [] {
    child_credentials wanted = as_user();
    if (set_uid(wanted) || drop_capabilities(wanted)) return 3;
    if (cohort_test::capabilities() != cohort_test::no_capabilities()) return 4;
    return verify_credentials(wanted);
  };
  CHECK(in_a_child([&] {
    if (!cohort_test::become_user_with_capabilities(user + 1, group)) return 1;
    for (const std::string& set : cohort_test::capabilities())
      if (set != "00000000000004c0") return 2;
    return drop();
  }) == 0);
  CHECK(in_a_child([&] { return raise_inheritable() ? drop() : 1; }) == 0);
  CHECK(in_a_child([&] {
    return ::prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == 0 ? drop() : 1;
  }) == 0);
}

TEST_CASE("capabilities that are left in any set are found out")
{
  if (!is_root()) return cohort_test::skip("needs root");
  const auto keep = [] {
    child_credentials wanted = as_user();
    return set_uid(wanted) ? 3 : verify_credentials(wanted);
  };
  CHECK(in_a_child([&] {
    return cohort_test::become_user_with_capabilities(user + 1, group) ? keep() : 1;
  }) == EPERM);
  // The inheritable ones alone, and the permitted ones alone.
  CHECK(in_a_child([&] { return raise_inheritable() ? keep() : 1; }) == EPERM);
  CHECK(
      in_a_child([&] { return ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 ? keep() : 1; }) == EPERM);
}

TEST_CASE("who stays the same user, or becomes root, keeps its capabilities")
{
  if (!is_root()) return cohort_test::skip("needs root");
  for (const uid_t wanted_user : {user, uid_t(0)}) {
    CHECK(in_a_child([&] {
      if (!cohort_test::become_user_with_capabilities(user, group)) return 1;
      child_credentials wanted = as_user();
      wanted.uid = wanted_user;
      if (set_uid(wanted) || drop_capabilities(wanted) || verify_credentials(wanted)) return 2;
      const auto left = cohort_test::capabilities();
      return left[0] != "0000000000000000" && left[2] != "0000000000000000" ? 0 : 3;
    }) == 0);
  }
}

TEST_CASE("supplementary groups become those that are wanted, also none")
{
  if (!is_root()) return cohort_test::skip("needs root");
  for (const std::vector<gid_t>& groups :
      {std::vector<gid_t>(), std::vector<gid_t>{7}, std::vector<gid_t>{7, 9, 40000}}) {
    CHECK(in_a_child([&] {
      std::vector<gid_t> found;
      child_credentials wanted = with_groups(groups, found);
      if (set_groups(wanted) || verify_credentials(wanted)) return 1;
      return ::getgroups(0, nullptr) == static_cast<int>(groups.size()) ? 0 : 2;
    }) == 0);
  }
}

TEST_CASE("supplementary groups that are not the wanted ones are found out")
{
  if (!is_root()) return cohort_test::skip("needs root");
  const std::vector<gid_t> wanted_groups{7, 9};
  for (const std::vector<gid_t>& real : {std::vector<gid_t>(), std::vector<gid_t>{7},
           std::vector<gid_t>{7, 10}, std::vector<gid_t>{7, 9, 11}}) {
    CHECK(in_a_child([&] {
      std::vector<gid_t> found;
      const child_credentials wanted = with_groups(wanted_groups, found);
      if (::setgroups(real.size(), real.data()) != 0) return 1;
      return verify_credentials(wanted);
    }) == EPERM);
  }
  // In whatever order.
  CHECK(in_a_child([] {
    const std::vector<gid_t> unsorted{9, 7};
    std::vector<gid_t> found;
    child_credentials wanted = with_groups(unsorted, found);
    return set_groups(wanted) + verify_credentials(wanted);
  }) == 0);
}

TEST_CASE("groups stay with who may not change them only if that is allowed and nobody else it is")
{
  if (!is_root()) return cohort_test::skip("needs root");
  for (const bool may_stay : {true, false}) {
    for (const bool same : {true, false}) {
      const int result = in_a_child([&] {
        const gid_t one = 7;
        if (::setgroups(1, &one) != 0 || ::setresuid(user, user, user) != 0) return 1;
        std::vector<gid_t> found;
        child_credentials wanted = with_groups({}, found);
        wanted.groups_may_stay = may_stay;
        wanted.sets_uid = true;
        wanted.uid = same ? user : user + 1;
        if (const int error = set_groups(wanted)) return error;
        return verify_credentials(wanted);
      });
      CHECK(result == (may_stay && same ? 0 : EPERM));
    }
  }
}

TEST_CASE("a process leads its group, or its session")
{
  using cohort::process_group;
  CHECK(in_a_child([] {
    child_credentials wanted{};
    wanted.group = process_group::own;
    const pid_t session = ::getsid(0);
    return enter_group(wanted) == 0 && ::getpgrp() == ::getpid() && ::getsid(0) == session ? 0 : 1;
  }) == 0);
  CHECK(in_a_child([] {
    child_credentials wanted{};
    wanted.group = process_group::own_session;
    return enter_group(wanted) == 0 && ::getsid(0) == ::getpid() ? 0 : 1;
  }) == 0);
  // Who leads a session already cannot begin another.
  CHECK(in_a_child([] {
    child_credentials wanted{};
    wanted.group = process_group::own_session;
    return enter_group(wanted) == 0 ? enter_group(wanted) : 1;
  }) == EPERM);
}

TEST_CASE("limits are set one after the other, up to the first that is refused")
{
  CHECK(in_a_child([] {
    const child_credentials::limit limits[] = {
        {RLIMIT_CORE, {0, 0}}, {RLIMIT_FSIZE, {2, 1}}, {RLIMIT_NOFILE, {1, 1}}};
    child_credentials wanted{};
    wanted.limits = limits;
    wanted.limit_count = 3;
    if (set_limits(wanted) != EINVAL) return 1;
    rlimit core{}, files{};
    ::getrlimit(RLIMIT_CORE, &core);
    ::getrlimit(RLIMIT_NOFILE, &files);
    return core.rlim_cur == 0 && core.rlim_max == 0 && files.rlim_cur != 1 ? 0 : 2;
  }) == 0);
}

TEST_CASE("privileges that are forbidden stay so")
{
  CHECK(in_a_child([] {
    child_credentials wanted{};
    wanted.no_new_privs = true;
    if (forbid_new_privileges(wanted) != 0) return 1;
    return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 2;
  }) == 0);
}

} // namespace child_credentials_test
