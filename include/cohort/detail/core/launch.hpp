// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/child.hpp>
#include <cohort/detail/posix/machine.hpp>
#include <cohort/detail/posix/role.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/environment.hpp>
#include <cohort/settings.hpp>
#include <cohort/worker_id.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// `how` with what it does not say filled in as it is now: the program, its arguments, no launcher,
/// not silent. To be shown: what is stored stays open, so that a newer program is taken.
settings with_defaults(settings how);

/// Everything a worker is started with, and the primary's ends of its channels.
struct worker_launch {
  posix::child_options options;
  posix::unique_fd control;
  posix::unique_fd messages;
  // Open until the process runs: what `options` refers to.
  posix::unique_fd worker_control;
  posix::unique_fd worker_messages;
  posix::unique_fd null;
};

/// Turns settings into a command line, an environment and two channels.
worker_launch prepare_launch(
    worker_id id, const settings& how, const environment& variables, std::error_code& error);

/// The program and its arguments, behind its launcher if there is one.
std::vector<std::string> command_line(worker_id id, const settings& how);

/// This process's environment, then `variables`, then the role; the last one of a name counts.
std::vector<std::string> worker_environment(worker_id id, const environment& variables);

/// What `{port}` stands for.
std::uint16_t launcher_port(worker_id id, const settings& how) noexcept;

// Implementation

inline settings with_defaults(settings how)
{
  settings filled = settings().exec(posix::executable_path()).args(posix::program_arguments());
  filled.exec_argv({}).silent(false);
  filled.overlay(how);
  return filled;
}

inline std::uint16_t launcher_port(worker_id id, const settings& how) noexcept
{
  constexpr std::uint64_t last = 65'535, first_again = 1024;
  const std::uint64_t port = how.launcher_port() + std::uint64_t(id) - 1;
  const std::uint64_t beyond = port <= last ? 0 : port - last - 1;
  return static_cast<std::uint16_t>(
      port <= last ? port : first_again + beyond % (last + 1 - first_again));
}

// Puts a value wherever `place` stands.
inline void fill_in(std::string& word, std::string_view place, const std::string& value)
{
  for (auto at = word.find(place); at != word.npos; at = word.find(place, at + value.size()))
    word.replace(at, place.size(), value);
}

inline std::vector<std::string> command_line(worker_id id, const settings& how)
{
  std::vector<std::string> line = how.exec_argv();
  for (std::string& word : line) {
    fill_in(word, "{id}", std::to_string(id));
    fill_in(word, "{port}", std::to_string(launcher_port(id, how)));
  }
  line.push_back(how.exec() ? *how.exec() : posix::executable_path());
  const std::vector<std::string> args = how.args() ? *how.args() : posix::program_arguments();
  line.insert(line.end(), args.begin(), args.end());
  return line;
}

inline std::vector<std::string> worker_environment(worker_id id, const environment& variables)
{
  std::map<std::string, std::string, std::less<>> merged;
  for (const std::string_view entry : posix::environment_entries()) {
    const auto equals = entry.find('=');
    if (equals == entry.npos || equals == 0) continue;
    merged.insert_or_assign(
        std::string(entry.substr(0, equals)), std::string(entry.substr(equals + 1)));
  }
  for (const std::string& name : variables.removed()) merged.erase(name);
  for (const auto& [name, value] : variables.values()) merged.insert_or_assign(name, value);
  merged.insert_or_assign(posix::worker_id_variable, std::to_string(id));
  // The order of `child_options::inherit`: 3, then 4.
  merged.insert_or_assign(posix::control_variable, "3");
  merged.insert_or_assign(posix::messages_variable, "4");
  std::vector<std::string> entries;
  entries.reserve(merged.size());
  for (const auto& [name, value] : merged) entries.push_back(name + '=' + value);
  return entries;
}

inline worker_launch prepare_launch(
    worker_id id, const settings& how, const environment& variables, std::error_code& error)
{
  worker_launch launch;
  std::tie(launch.control, launch.worker_control) = posix::stream_pair(error);
  if (error) return launch;
  std::tie(launch.messages, launch.worker_messages) = posix::stream_pair(error);
  if (error) return launch;
  launch.options.argv = command_line(id, how);
  launch.options.path = launch.options.argv.front();
  environment own = how.env();
  own.overlay(variables);
  launch.options.envp = worker_environment(id, own);
  launch.options.cwd = how.cwd();
  launch.options.inherit = {launch.worker_control.get(), launch.worker_messages.get()};
  if (how.silent()) {
    launch.null = posix::open_null(error);
    launch.options.stdio[1] = launch.options.stdio[2] = launch.null.get();
  }
  return launch;
}

} // namespace cohort::detail
