// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/system_calls.hpp>
#include <cohort/process_group.hpp>

#include <cstdint>
#include <linux/capability.h>
#include <sys/prctl.h>

namespace cohort::detail::posix {

/// As whom a child is to run, and within which bounds: plain data, made by the parent beforehand.
struct child_credentials {
  /// As the kernel reads it: soft, then hard.
  struct limit {
    int resource;
    std::uint64_t values[2];
  };

  process_group group;
  const limit* limits;
  int limit_count;
  /// Whether the supplementary groups become `groups`, each of which is there once.
  bool sets_groups;
  /// Whether a child that stays who it is may keep its groups when it has no right to change them.
  bool groups_may_stay;
  const gid_t* groups;
  /// Room for as many, to read them back.
  gid_t* groups_found;
  int group_count;
  bool sets_gid;
  gid_t gid;
  bool sets_uid;
  uid_t uid;
  bool no_new_privs;

  /// Set by the child: whether it was another user, and is not to be root.
  bool changes_user;
};

// The child's steps, each gives `errno` or 0. They are bare system calls: those of the C library
// would do the same to all threads of the parent, whose memory this is.

COHORT_CHILD_SIDE int enter_group(const child_credentials& wanted);
/// Before the privileges go: to raise a hard limit needs them.
COHORT_CHILD_SIDE int set_limits(const child_credentials& wanted);
COHORT_CHILD_SIDE int set_groups(child_credentials& wanted);
COHORT_CHILD_SIDE int set_gid(const child_credentials& wanted);
/// The last of the three: it takes the right to the other two away.
COHORT_CHILD_SIDE int set_uid(child_credentials& wanted);
/// Who becomes another user keeps no capability: those that were not root's by its user id stay
/// through the change, and the inheritable ones of root too. A program file's own come at exec.
COHORT_CHILD_SIDE int drop_capabilities(const child_credentials& wanted);
/// Proves that all of it is so, and that there is no way back.
COHORT_CHILD_SIDE int verify_credentials(const child_credentials& wanted);
COHORT_CHILD_SIDE int forbid_new_privileges(const child_credentials& wanted);

// Implementation

namespace child_detail {

// Where the first of them had 16 bits, those with 32 have names of their own.
#ifdef SYS_setresuid32
inline constexpr long call_setgroups = SYS_setgroups32, call_getgroups = SYS_getgroups32,
                      call_setresgid = SYS_setresgid32, call_getresgid = SYS_getresgid32,
                      call_setresuid = SYS_setresuid32, call_getresuid = SYS_getresuid32;
#else
inline constexpr long call_setgroups = SYS_setgroups, call_getgroups = SYS_getgroups,
                      call_setresgid = SYS_setresgid, call_getresgid = SYS_getresgid,
                      call_setresuid = SYS_setresuid, call_getresuid = SYS_getresuid;
#endif

COHORT_CHILD_SIDE inline long word(const void* pointer)
{
  return reinterpret_cast<std::intptr_t>(pointer);
}

// Real, effective and saved.
struct three_ids {
  std::uint32_t real, effective, saved;
};

COHORT_CHILD_SIDE inline int read_ids(long call, three_ids& ids)
{
  const long result = sys::raw(call, word(&ids.real), word(&ids.effective), word(&ids.saved));
  return result == -1 ? errno : 0;
}

COHORT_CHILD_SIDE inline bool are_all(const three_ids& ids, std::uint32_t id)
{
  return ids.real == id && ids.effective == id && ids.saved == id;
}

// Whether user and group are already as wanted.
COHORT_CHILD_SIDE inline int read_if_same(const child_credentials& wanted, bool& same)
{
  three_ids ids;
  int error = 0;
  same = true;
  if (wanted.sets_uid) {
    error = read_ids(call_getresuid, ids);
    same = error == 0 && are_all(ids, wanted.uid);
  }
  if (error == 0 && wanted.sets_gid) {
    error = read_ids(call_getresgid, ids);
    same = same && error == 0 && are_all(ids, wanted.gid);
  }
  return error;
}

COHORT_CHILD_SIDE inline bool has(const gid_t* groups, int count, gid_t group)
{
  for (int i = 0; i != count; ++i)
    if (groups[i] == group) return true;
  return false;
}

COHORT_CHILD_SIDE inline int verify_groups(const child_credentials& wanted)
{
  const long none = sys::raw(call_getgroups, 0, 0);
  if (none == -1) return errno;
  if (none != wanted.group_count) return EPERM;
  const long count = sys::raw(call_getgroups, wanted.group_count, word(wanted.groups_found));
  if (count == -1) return errno;
  if (count != wanted.group_count) return EPERM;
  // The kernel sorts them, as a rule in the order of these numbers.
  for (int i = 0; i != wanted.group_count; ++i)
    if (wanted.groups_found[i] != wanted.groups[i] &&
        !has(wanted.groups_found, wanted.group_count, wanted.groups[i]))
      return EPERM;
  return 0;
}

// Two of 32 bits for each set.
using capability_sets = __user_cap_data_struct[_LINUX_CAPABILITY_U32S_3];

// Of this process.
COHORT_CHILD_SIDE inline int call_with_capabilities(long call, capability_sets& sets)
{
  __user_cap_header_struct header;
  header.version = _LINUX_CAPABILITY_VERSION_3;
  header.pid = 0;
  return sys::raw(call, word(&header), word(sets)) == -1 ? errno : 0;
}

COHORT_CHILD_SIDE inline int verify_capabilities()
{
  capability_sets found;
  if (const int error = call_with_capabilities(SYS_capget, found)) return error;
  // None is ambient that is not permitted and inheritable.
  for (const auto& part : found)
    if ((part.effective | part.permitted | part.inheritable) != 0) return EPERM;
  return 0;
}

} // namespace child_detail

COHORT_CHILD_SIDE inline int enter_group(const child_credentials& wanted)
{
  long result = 0;
  if (wanted.group == process_group::own) result = sys::raw(SYS_setpgid, 0, 0);
  else if (wanted.group == process_group::own_session) result = sys::raw(SYS_setsid);
  return result == -1 ? errno : 0;
}

COHORT_CHILD_SIDE inline int set_limits(const child_credentials& wanted)
{
  for (int i = 0; i != wanted.limit_count; ++i) {
    const auto& limit = wanted.limits[i];
    if (sys::raw(SYS_prlimit64, 0, limit.resource, child_detail::word(limit.values)) == -1)
      return errno;
  }
  return 0;
}

COHORT_CHILD_SIDE inline int set_groups(child_credentials& wanted)
{
  using namespace child_detail;
  if (!wanted.sets_groups) return 0;
  if (sys::raw(call_setgroups, wanted.group_count, word(wanted.groups)) != -1) return 0;
  const int error = errno;
  if (error != EPERM || !wanted.groups_may_stay) return error;
  bool same = false;
  const int failed = read_if_same(wanted, same);
  if (failed != 0) return failed;
  if (same) wanted.sets_groups = false;
  return same ? 0 : error;
}

COHORT_CHILD_SIDE inline int set_gid(const child_credentials& wanted)
{
  if (!wanted.sets_gid) return 0;
  const long id = wanted.gid;
  return sys::raw(child_detail::call_setresgid, id, id, id) == -1 ? errno : 0;
}

COHORT_CHILD_SIDE inline int set_uid(child_credentials& wanted)
{
  using namespace child_detail;
  if (!wanted.sets_uid) return 0;
  three_ids ids;
  if (const int error = read_ids(call_getresuid, ids)) return error;
  wanted.changes_user = wanted.uid != 0 && !are_all(ids, wanted.uid);
  const long id = wanted.uid;
  return sys::raw(call_setresuid, id, id, id) == -1 ? errno : 0;
}

COHORT_CHILD_SIDE inline int drop_capabilities(const child_credentials& wanted)
{
  using namespace child_detail;
  if (!wanted.changes_user) return 0;
  // Where ambient ones do not exist this is an unknown option.
  if (sys::raw(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL) == -1 && errno != EINVAL)
    return errno;
  capability_sets none;
  for (auto& part : none) part.effective = part.permitted = part.inheritable = 0;
  return call_with_capabilities(SYS_capset, none);
}

COHORT_CHILD_SIDE inline int verify_credentials(const child_credentials& wanted)
{
  using namespace child_detail;
  bool same = false;
  if (const int error = read_if_same(wanted, same)) return error;
  if (!same) return EPERM;
  if (wanted.sets_groups)
    if (const int error = verify_groups(wanted)) return error;
  if (!wanted.changes_user) return 0;
  if (const int error = verify_capabilities()) return error;
  return sys::raw(call_setresuid, -1, 0, -1) == -1 ? 0 : EPERM;
}

COHORT_CHILD_SIDE inline int forbid_new_privileges(const child_credentials& wanted)
{
  if (!wanted.no_new_privs) return 0;
  return sys::raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1) == -1 ? errno : 0;
}

} // namespace cohort::detail::posix
