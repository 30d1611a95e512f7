// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/process_usage.hpp>

#include "support/scratch.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <sys/types.h>
#include <system_error>
#include <vector>

namespace cohort_test {

/// The processes that this one has started, and that have not been reaped.
inline std::vector<pid_t> children_of(pid_t parent)
{
  const std::string number = std::to_string(parent);
  std::ifstream file("/proc/" + number + "/task/" + number + "/children");
  std::vector<pid_t> all;
  for (pid_t child = 0; file >> child;) all.push_back(child);
  return all;
}

/// What a file of a process in /proc has; nothing when the process has ended.
inline std::string content_of(pid_t process, const std::string& name)
{
  std::ifstream file("/proc/" + std::to_string(process) + '/' + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Those of them that live as workers.
inline std::vector<pid_t> workers_of(pid_t primary)
{
  std::vector<pid_t> all = children_of(primary);
  const auto is_other = [](pid_t pid) {
    const std::string started_with = content_of(pid, "environ");
    return started_with.find("COHORT_WORKER_ID=") == started_with.npos;
  };
  std::erase_if(all, is_other);
  return all;
}

/// Whether a process has a Unix socket that keeps packets apart, as programs have that replace one
/// another, until the older one has ended and the other has heard of it.
inline bool has_packet_socket(pid_t process)
{
  std::set<std::string> all;
  std::ifstream sockets("/proc/net/unix");
  for (std::string line; std::getline(sockets, line);) {
    std::istringstream words(line);
    std::string skipped, type, inode;
    words >> skipped >> skipped >> skipped >> skipped >> type >> skipped >> inode;
    if (type == "0005") all.insert("socket:[" + inode + ']');
  }
  std::error_code closed;
  for (const auto& each :
      std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/fd", closed))
    if (all.contains(std::filesystem::read_symlink(each.path(), closed).string())) return true;
  return false;
}

/// What a program takes, and what it has from the one before it.
struct footprint {
  explicit footprint(pid_t program)
  {
    const std::vector<pid_t> children = children_of(program);
    processes = 1 + children.size();
    descriptors = count_descriptors(program);
    for (const pid_t each : children) descriptors += count_descriptors(each);
    std::error_code ended;
    memory = cohort::detail::posix::resident_memory(program, ended);
    inherited = content_of(program, "environ") + content_of(program, "cmdline");
    // Which signals are blocked and ignored.
    std::istringstream status(content_of(program, "status"));
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("SigBlk:") || line.starts_with("SigIgn:")) inherited += line;
  }

  /// Memory comes in pages, and not always the same ones.
  bool is_like(const footprint& other) const
  {
    return descriptors == other.descriptors && processes == other.processes &&
           memory < other.memory + other.memory / 4 && inherited == other.inherited;
  }

  /// "3 processes, 42 descriptors, 12345678 bytes of memory, 999 inherited".
  std::string text() const
  {
    return std::to_string(processes) + " processes, " + std::to_string(descriptors) +
           " descriptors, " + std::to_string(memory) + " bytes of memory, " +
           std::to_string(inherited.size()) + " inherited";
  }

  std::size_t processes = 0;
  /// Of it and its workers.
  std::size_t descriptors = 0;
  std::uint64_t memory = 0;
  std::string inherited;
};

} // namespace cohort_test
