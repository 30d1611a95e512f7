// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/child.hpp>
#include <cohort/detail/posix/machine.hpp>
#include <cohort/detail/posix/role.hpp>
#include <cohort/detail/posix/service_environment.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/posix/worker_pipe.hpp>
#include <cohort/environment.hpp>
#include <cohort/settings.hpp>
#include <cohort/stdio.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <cstddef>
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

/// Everything a worker is started with, and the primary's ends of its channels and pipes.
struct worker_launch {
  posix::child_options options;
  posix::unique_fd control;
  posix::unique_fd messages;
  /// By the number that the worker has the other end at; empty for what is no pipe.
  std::vector<posix::unique_fd> pipes;
  // Open until the process runs: what `options` refers to.
  posix::unique_fd worker_control;
  posix::unique_fd worker_messages;
  std::vector<posix::unique_fd> worker_pipes;
  posix::unique_fd null;
};

/// Turns settings into a command line, an environment, streams and two channels.
worker_launch prepare_launch(worker_id id, const settings& how, std::error_code& error);

/// The program and its arguments, behind its launcher if there is one.
std::vector<std::string> command_line(worker_id id, const settings& how);

/// Variables by their names.
using variable_map = std::map<std::string, std::string, std::less<>>;

/// This process's environment.
variable_map own_variables();
/// Lays what `upper` sets and removes over them.
void overlay(variable_map& variables, const environment& upper);
/// As a program is given them.
std::vector<std::string> to_entries(const variable_map& variables);

/// This process's environment without what a service manager has said in it, then `variables`, then
/// the role; the last one of a name counts. The worker has its channels at `channels` and the
/// number after it.
std::vector<std::string> worker_environment(
    worker_id id, const environment& variables, std::size_t channels = 3);

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

inline variable_map own_variables()
{
  variable_map all;
  for (const std::string_view entry : posix::environment_entries()) {
    const auto equals = entry.find('=');
    if (equals == entry.npos || equals == 0) continue;
    all.insert_or_assign(
        std::string(entry.substr(0, equals)), std::string(entry.substr(equals + 1)));
  }
  return all;
}

inline void overlay(variable_map& variables, const environment& upper)
{
  for (const std::string& name : upper.removed()) variables.erase(name);
  for (const auto& [name, value] : upper.values()) variables.insert_or_assign(name, value);
}

inline std::vector<std::string> to_entries(const variable_map& variables)
{
  std::vector<std::string> entries;
  entries.reserve(variables.size());
  for (const auto& [name, value] : variables) entries.push_back(name + '=' + value);
  return entries;
}

inline std::vector<std::string> worker_environment(
    worker_id id, const environment& variables, std::size_t channels)
{
  variable_map merged = own_variables();
  // A worker does not speak for the service, unless it is told to.
  for (const char* name : posix::service_variables) merged.erase(name);
  overlay(merged, variables);
  merged.insert_or_assign(posix::worker_id_variable, std::to_string(id));
  // The order of `child_options::inherit`.
  merged.insert_or_assign(posix::control_variable, std::to_string(channels));
  merged.insert_or_assign(posix::messages_variable, std::to_string(channels + 1));
  return to_entries(merged);
}

// The descriptor that becomes the worker's `number`; -1 for what it inherits.
inline int worker_stream(
    worker_launch& launch, std::size_t number, const stdio& what, std::error_code& error)
{
  switch (what.from()) {
  case stdio::source::inherit: break;
  case stdio::source::descriptor: return what.number();
  case stdio::source::null:
    if (!launch.null) launch.null = posix::open_null(error);
    return launch.null.get();
  case stdio::source::pipe: {
    auto made = posix::make_worker_pipe(static_cast<int>(number), error);
    launch.pipes.resize(std::max(launch.pipes.size(), number + 1));
    launch.pipes[number] = std::move(made.ours);
    launch.worker_pipes.push_back(std::move(made.theirs));
    return launch.worker_pipes.back().get();
  }
  }
  return -1;
}

inline void prepare_streams(worker_launch& launch, const settings& how, std::error_code& error)
{
  std::vector<stdio> streams = how.stdio();
  for (std::size_t number = streams.size(); number < 3; ++number)
    streams.push_back(how.silent() && number != 0 ? stdio::null() : stdio::inherit());
  for (std::size_t number = 0; number != streams.size(); ++number) {
    const int source = worker_stream(launch, number, streams[number], error);
    if (error) return;
    if (number < 3) launch.options.stdio[number] = source;
    else launch.options.inherit.push_back(source);
  }
}

// Before anything is opened, which could get the number of one that is closed.
inline void check_descriptors(const settings& how, std::error_code& error)
{
  error.clear();
  for (const stdio& each : how.stdio()) {
    if (each.from() == stdio::source::descriptor) posix::check_open(each.number(), error);
    if (error) return;
  }
}

inline worker_launch prepare_launch(worker_id id, const settings& how, std::error_code& error)
{
  worker_launch launch;
  check_descriptors(how, error);
  if (error) return launch;
  std::tie(launch.control, launch.worker_control) = posix::stream_pair(error);
  if (error) return launch;
  std::tie(launch.messages, launch.worker_messages) = posix::stream_pair(error);
  if (error) return launch;
  launch.options.argv = command_line(id, how);
  launch.options.path = launch.options.argv.front();
  launch.options.cwd = how.cwd();
  launch.options.group = how.process_group();
  launch.options.limits = how.limits();
  launch.options.uid = how.uid();
  launch.options.gid = how.gid();
  launch.options.groups = how.groups();
  launch.options.no_new_privs = how.no_new_privs();
  prepare_streams(launch, how, error);
  environment own = how.env();
  // A worker that is a primary too, with groups of its own, passes none on.
  if (how.group().empty()) own.remove(posix::group_variable);
  else own.set(posix::group_variable, how.group());
  launch.options.envp = worker_environment(id, own, 3 + launch.options.inherit.size());
  for (const auto* channel : {&launch.worker_control, &launch.worker_messages})
    launch.options.inherit.push_back(channel->get());
  return launch;
}

} // namespace cohort::detail
