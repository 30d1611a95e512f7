// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <fstream>
#include <linux/capability.h>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace cohort_test {

/// What /proc says of this process's capabilities: the inheritable, the permitted, the effective
/// and the ambient ones.
inline std::vector<std::string> capabilities()
{
  std::vector<std::string> sets;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Cap") && !line.starts_with("CapBnd"))
      sets.push_back(line.substr(line.find('\t') + 1));
  return sets;
}

/// `capabilities()` where there are none.
inline std::vector<std::string> no_capabilities()
{
  return std::vector<std::string>(4, std::string(16, '0'));
}

/// Makes the low half of all three sets what is said.
inline bool set_capabilities(unsigned inheritable, unsigned permitted, unsigned effective)
{
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  sets[0] = {effective, permitted, inheritable};
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

/// Makes of root what a service manager makes of a service with a user and ambient capabilities:
/// not root, but with the right to become anybody, also after an exec. For a process of its own.
inline bool become_user_with_capabilities(uid_t user, gid_t group)
{
  constexpr unsigned rights = 1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_NET_BIND_SERVICE;
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return false;
  if (::setresgid(group, group, group) != 0 || ::setresuid(user, user, user) != 0) return false;
  if (!set_capabilities(rights, rights, rights)) return false;
  for (const int each : {CAP_SETUID, CAP_SETGID, CAP_NET_BIND_SERVICE})
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, static_cast<unsigned long>(each), 0, 0) != 0)
      return false;
  return ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == 0;
}

} // namespace cohort_test
