// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/system_calls.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <sys/auxv.h>
#include <system_error>
#include <vector>

namespace cohort::detail::posix {

/// The program this process runs, as a path to execute it again. Its name is found out by the first
/// call, so that a newer program that takes its place afterwards is taken; when there is none any
/// more, the kernel's own link to the running one.
std::string executable_path();

/// The path by which this process was executed, as it was then; symbolic links in it stand for
/// whatever they lead to now. That of `executable_path` where the kernel does not tell it.
std::string started_path();

/// How many processors this process may use at a time: its affinity, further limited by the CPU
/// quota of its control groups (rounded up); at least 1.
unsigned available_cpus();

/// How many processors the calling thread may run on, at least 1.
unsigned affinity_cpus();

/// How many descriptors this process may have, at least 1.
std::size_t descriptor_limit() noexcept;

/// The quota of this process's control groups of either version in processors, the tightest of all
/// levels; nothing when there is none.
/// @param root put before every path that is read.
std::optional<double> cgroup_cpus(const std::string& root = std::string());

// Implementation

namespace machine_detail {

// One mounted hierarchy of control groups that may limit processors.
struct cgroup_mount {
  bool v2;
  std::string root;
  std::string point;
};

// mountinfo writes blanks and backslashes as octal numbers.
inline std::string unescape(std::string_view text)
{
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    const char* const digits = text.data() + i + 1;
    if (text[i] == '\\' && text.size() - i > 3 &&
        std::from_chars(digits, digits + 3, code, 8).ptr == digits + 3) {
      result += static_cast<char>(code);
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

inline bool contains_word(const std::string& list, std::string_view word)
{
  std::istringstream words(list);
  for (std::string item; std::getline(words, item, ',');)
    if (item == word) return true;
  return false;
}

// "36 35 98:0 /root /point options [optional...] - type source super-options"
inline std::vector<cgroup_mount> cgroup_mounts(std::istream& mountinfo)
{
  std::vector<cgroup_mount> result;
  for (std::string line; std::getline(mountinfo, line);) {
    const auto separator = line.find(" - ");
    if (separator == line.npos) continue;
    std::istringstream before(line.substr(0, separator)), after(line.substr(separator + 3));
    std::string skipped, root, point, type, options;
    before >> skipped >> skipped >> skipped >> root >> point;
    after >> type >> skipped >> options;
    if (type == "cgroup2" || (type == "cgroup" && contains_word(options, "cpu")))
      result.push_back({type == "cgroup2", unescape(root), unescape(point)});
  }
  return result;
}

// "0::/path" is the group in version 2, "4:cpu,cpuacct:/path" one in version 1.
inline std::optional<std::string> own_cgroup(std::istream& cgroups, bool v2)
{
  for (std::string line; std::getline(cgroups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (v2 ? controllers.empty() && line[0] == '0' : contains_word(controllers, "cpu"))
      return line.substr(second + 1);
  }
  return std::nullopt;
}

// Quota and period in microseconds, as one file has them or each its own.
inline std::optional<double> quota(const std::string& folder, bool v2)
{
  double quota = 0, period = 0;
  if (v2) {
    std::ifstream(folder + "/cpu.max") >> quota >> period;
  } else {
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  // "max" and -1 stand for no limit.
  if (quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

} // namespace machine_detail

inline std::optional<double> cgroup_cpus(const std::string& root)
{
  using namespace machine_detail;
  std::optional<double> least;
  std::ifstream mountinfo(root + "/proc/self/mountinfo");
  for (const auto& mount : cgroup_mounts(mountinfo)) {
    std::ifstream cgroups(root + "/proc/self/cgroup");
    const auto own = own_cgroup(cgroups, mount.v2);
    if (!own) continue;
    // In a container only a part of the hierarchy may be mounted, and the path may start above it.
    std::string path = own->starts_with("/..") ? std::string() : *own;
    if (mount.root != "/") {
      const bool inside = path.starts_with(mount.root) &&
                          (path.size() == mount.root.size() || path[mount.root.size()] == '/');
      path = inside ? path.substr(mount.root.size()) : std::string();
    }
    for (;;) {
      if (const auto cpus = quota(root + mount.point + path, mount.v2))
        least = std::min(*cpus, least.value_or(*cpus));
      const auto slash = path.rfind('/');
      if (slash == path.npos) break;
      path.erase(slash);
    }
  }
  return least;
}

inline unsigned affinity_cpus()
{
  // The kernel refuses a set that is smaller than its own.
  for (std::size_t sets = 1; sets <= 64; sets *= 2) {
    std::vector<cpu_set_t> set(sets);
    const std::size_t size = sets * sizeof(cpu_set_t);
    if (sys::sched_getaffinity(size, set.data()) == 0)
      return static_cast<unsigned>(std::max(CPU_COUNT_S(size, set.data()), 1));
    if (errno != EINVAL) break;
  }
  return 1;
}

inline std::size_t descriptor_limit() noexcept
{
  rlimit limit{};
  if (sys::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return std::max<std::size_t>(limit.rlim_cur, 1);
}

inline unsigned available_cpus()
{
  const unsigned cpus = affinity_cpus();
  const auto quota = cgroup_cpus();
  if (!quota || *quota >= cpus) return cpus;
  const auto whole = static_cast<unsigned>(*quota);
  return std::max(whole < *quota ? whole + 1 : whole, 1U);
}

inline std::string executable_path()
{
  static constexpr auto link = "/proc/self/exe";
  static const std::string path = [] {
    std::array<char, 4096> target;
    const ssize_t size = sys::readlink(link, target.data(), target.size());
    return size <= 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(size));
  }();
  // The link of a removed program reads "PATH (deleted)", which is no file either.
  struct stat status;
  return !path.empty() && sys::lstat(path.c_str(), &status) == 0 ? path : link;
}

inline std::string started_path()
{
  // A relative one counts from where this process was at the first call.
  static const std::string path = [] {
    const char* const said = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
    if (!said || *said == '\0') return std::string();
    std::error_code error;
    const auto absolute = std::filesystem::absolute(said, error);
    return error ? std::string() : absolute.string();
  }();
  return path.empty() ? executable_path() : path;
}

} // namespace cohort::detail::posix
