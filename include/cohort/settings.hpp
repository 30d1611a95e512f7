// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/channel_options.hpp>
#include <cohort/environment.hpp>
#include <cohort/process_group.hpp>
#include <cohort/resource_limit.hpp>
#include <cohort/stdio.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace cohort {

/// How a cluster starts its workers. `cluster::setup` lays one over another, so only what is set
/// changes; what never is has a default.
///
/// Every setter returns the object, so that calls can be chained.
///
/// Source: Node's `cluster.setupPrimary(settings)`.
class settings {
public:
  using duration = std::chrono::steady_clock::duration;

  settings() = default;

  /// The program to start, by its path: PATH is not searched, and a relative path counts from
  /// `cwd()`. Default: the executable this process runs.
  settings& exec(std::string path) & { return set(exec_, std::move(path)); }
  settings exec(std::string path) && { return std::move(exec(std::move(path))); }

  /// The arguments after the program's name. Default: those that this process was started with.
  settings& args(std::vector<std::string> values) & { return set(args_, std::move(values)); }
  settings args(std::vector<std::string> values) && { return std::move(args(std::move(values))); }

  /// A launcher and its arguments, put before the program (`valgrind`, `gdbserver`). In them `{id}`
  /// is replaced by the worker's id and `{port}` by a port of its own, see `launcher_port`. The
  /// launcher is named by path. Default: none.
  settings& exec_argv(std::vector<std::string> values) &
  {
    return set(exec_argv_, std::move(values));
  }
  settings exec_argv(std::vector<std::string> values) &&
  {
    return std::move(exec_argv(std::move(values)));
  }

  /// What `{port}` is for the first worker; the others count on from there by their ids, and after
  /// 65535 from 1024. For debuggers that listen: `exec_argv({"/usr/bin/gdbserver", ":{port}"})`.
  /// Default: 9230. Source: Node's `inspectPort`, which counts likewise.
  settings& launcher_port(std::uint16_t first) & { return set(launcher_port_, first); }
  settings launcher_port(std::uint16_t first) && { return std::move(launcher_port(first)); }

  /// Environment variables of every worker, on top of this process's and below those given to
  /// `co_fork`. Laid over one another name by name. Default: none.
  settings& env(environment variables) & { return set(env_, std::move(variables)); }
  settings env(environment variables) && { return std::move(env(std::move(variables))); }

  /// The worker's working directory. Default: this process's.
  settings& cwd(std::string path) & { return set(cwd_, std::move(path)); }
  settings cwd(std::string path) && { return std::move(cwd(std::move(path))); }

  /// Whether the worker's stdout and stderr are thrown away instead of inherited. Default: false.
  /// Node makes pipes of them: see `stdio`.
  settings& silent(bool value) & { return set(silent_, value); }
  settings silent(bool value) && { return std::move(silent(value)); }

  /// The worker's descriptors from 0 on. Those up to 2 that it does not name are inherited; from 3
  /// on they are extra ones. What it names `silent` says nothing about. Default: none.
  /// @throws std::invalid_argument when an extra one is to be inherited.
  /// Source: Node's `stdio`, without 'ipc': the channels come behind what is named.
  settings& stdio(std::vector<cohort::stdio> values) &;
  settings stdio(std::vector<cohort::stdio> values) &&
  {
    return std::move(stdio(std::move(values)));
  }

  /// The user the worker runs as; this process needs the right to it. The program has to be one
  /// that this user may execute. Default: as this process. Source: Node's `uid`.
  ///
  /// `groups` change before `gid` and that before `uid`; what the kernel has then is verified
  /// before the program is executed. Whatever fails is the error of `co_fork`, and nothing is
  /// started.
  ///
  /// Another user than this process's, if it is not root, has no capabilities: none of this
  /// process's stays in any of its sets, the ambient one included. What the file of a program has
  /// itself it gets all the same, as with the set-user-ID bit: see `no_new_privs`.
  ///
  /// A process that is not root and has no CAP_KILL may not signal a worker of another user:
  /// `worker::kill` gives `operation_not_permitted`, and a worker that does not end when it is told
  /// to by its channel is not ended by any deadline or grace either.
  settings& uid(uid_t value) & { return set(uid_, value); }
  settings uid(uid_t value) && { return std::move(uid(value)); }

  /// The worker's group. Default: as this process. Source: Node's `gid`.
  settings& gid(gid_t value) & { return set(gid_, value); }
  settings gid(gid_t value) && { return std::move(gid(value)); }

  /// The worker's supplementary groups. Default: none if `uid` or `gid` is set, else those of this
  /// process.
  settings& groups(std::vector<gid_t> values) & { return set(groups_, std::move(values)); }
  settings groups(std::vector<gid_t> values) && { return std::move(groups(std::move(values))); }

  /// Adds a limit; the last one for a resource counts. It is set before the worker's privileges go.
  settings& limit(const resource_limit& value) &;
  settings limit(const resource_limit& value) && { return std::move(limit(value)); }

  /// Whether neither the worker nor its children gain privileges by what they execute, such as a
  /// program with the set-user-ID bit or with capabilities of its own. Default: false.
  settings& no_new_privs(bool value) & { return set(no_new_privs_, value); }
  settings no_new_privs(bool value) && { return std::move(no_new_privs(value)); }

  /// To which group of processes the worker belongs. Default: that of this process.
  settings& process_group(cohort::process_group value) & { return set(process_group_, value); }
  settings process_group(cohort::process_group value) && { return std::move(process_group(value)); }

  /// How long a worker may go on after it closed its channel without a word, before it is killed.
  /// Default: one second.
  settings& fence_grace(duration value) & { return set(fence_grace_, value); }
  settings fence_grace(duration value) && { return std::move(fence_grace(value)); }

  /// How long a worker may take to end after its `disconnect` deadline passed and it was sent
  /// SIGTERM, before it is killed. Default: half a second.
  settings& kill_grace(duration value) & { return set(kill_grace_, value); }
  settings kill_grace(duration value) && { return std::move(kill_grace(value)); }

  /// The bounds of this side of the message channels. A worker's own side has those that its
  /// `this_worker` was made with. Default: `channel_options()`.
  settings& messages(const channel_options& value) & { return set(messages_, value); }
  settings messages(const channel_options& value) && { return std::move(messages(value)); }

  /// The worker's weight for scheduling policies that heed it: its share of the connections in
  /// proportion to the others'. 0: it gets none. Default: 1.
  settings& weight(std::uint32_t value) & { return set(weight_, value); }
  settings weight(std::uint32_t value) && { return std::move(weight(value)); }

  /// Which version of the program the worker runs, for scheduling policies. Default: 0.
  settings& generation(std::uint32_t value) & { return set(generation_, value); }
  settings generation(std::uint32_t value) && { return std::move(generation(value)); }

  /// How many requests the worker may answer, as counted by `this_worker::request_done`, before
  /// `retire_event` asks for a replacement. 0: any number, the default.
  settings& max_requests(std::uint64_t value) & { return set(max_requests_, value); }
  settings max_requests(std::uint64_t value) && { return std::move(max_requests(value)); }

  /// How long the worker may serve before `retire_event` asks for a replacement, counted from when
  /// it is ready. 0: for ever, the default. Source: uWSGI's `max-worker-lifetime`.
  /// @throws std::invalid_argument when it is below 0.
  settings& max_age(duration value) &;
  settings max_age(duration value) && { return std::move(max_age(value)); }

  /// How many bytes of the worker may be in memory, those it shares with other processes counted in
  /// full, before `retire_event` asks for a replacement. It is no limit that the kernel enforces,
  /// as `limit` sets it; the worker is looked at every `usage_interval` from when it is ready. 0:
  /// any number, the default. Source: uWSGI's `reload-on-rss`.
  settings& max_memory(std::uint64_t bytes) & { return set(max_memory_, bytes); }
  settings max_memory(std::uint64_t bytes) && { return std::move(max_memory(bytes)); }

  /// The same for how many descriptors the worker has open, the library's own among them. The
  /// primary can count those of a worker of another user only if it may trace it, as root may;
  /// where it cannot, an `error_event` says so.
  settings& max_descriptors(std::uint64_t value) & { return set(max_descriptors_, value); }
  settings max_descriptors(std::uint64_t value) && { return std::move(max_descriptors(value)); }

  /// By which share at most each of these four limits is lowered for a worker, drawn anew for each
  /// one, so that workers which were started together are not replaced together. 0 to 1. Default:
  /// 0. Source: gunicorn's `max_requests_jitter`.
  /// @throws std::invalid_argument for another share.
  settings& retire_jitter(double share) &;
  settings retire_jitter(double share) && { return std::move(retire_jitter(share)); }

  /// How old what is known of the worker's memory and descriptors may be: it is looked at when
  /// somebody asks for them, or a limit does, and then not again for so long. Default: 5 seconds.
  /// @throws std::invalid_argument when it is not above 0.
  settings& usage_interval(duration value) &;
  settings usage_interval(duration value) && { return std::move(usage_interval(value)); }

  /// How often the worker is to be heard from its event loop once it is ready, in milliseconds at
  /// least. When it was not for one and a half intervals it gets no connections until it is, which
  /// `stalled_event` tells, as `recovered_event` the rest. When it was not for `misses` intervals
  /// it hangs: it gets SIGABRT, and after `kill_grace` SIGKILL; 0 misses: never. It is not watched
  /// while it drains, and time in which the primary does not run is not counted. An interval of 0:
  /// nothing of that, the default. Source: `pm`'s `heartbeat_interval` and `max_heartbeat_lost`.
  settings& heartbeat(duration interval, unsigned misses = 0) &;
  settings heartbeat(duration interval, unsigned misses = 0) &&
  {
    return std::move(heartbeat(interval, misses));
  }

  /// The group of workers that the worker belongs to; it can ask by `this_worker::group`. Default:
  /// none.
  /// @throws std::invalid_argument when it has a NUL byte.
  settings& group(std::string name) &;
  settings group(std::string name) && { return std::move(group(std::move(name))); }

  const std::optional<std::string>& exec() const noexcept { return exec_; }
  const std::optional<std::vector<std::string>>& args() const noexcept { return args_; }
  std::vector<std::string> exec_argv() const
  {
    return exec_argv_.value_or(std::vector<std::string>());
  }
  std::uint16_t launcher_port() const noexcept { return launcher_port_.value_or(9230); }
  environment env() const { return env_.value_or(environment()); }
  std::string cwd() const { return cwd_.value_or(std::string()); }
  std::vector<cohort::stdio> stdio() const { return stdio_.value_or(std::vector<cohort::stdio>()); }
  bool silent() const noexcept { return silent_.value_or(false); }
  const std::optional<uid_t>& uid() const noexcept { return uid_; }
  const std::optional<gid_t>& gid() const noexcept { return gid_; }
  const std::optional<std::vector<gid_t>>& groups() const noexcept { return groups_; }
  /// At most one for each resource.
  const std::vector<resource_limit>& limits() const noexcept { return limits_; }
  bool no_new_privs() const noexcept { return no_new_privs_.value_or(false); }
  cohort::process_group process_group() const noexcept
  {
    return process_group_.value_or(cohort::process_group::inherit);
  }
  duration fence_grace() const noexcept { return fence_grace_.value_or(std::chrono::seconds(1)); }
  duration kill_grace() const noexcept
  {
    return kill_grace_.value_or(std::chrono::milliseconds(500));
  }
  channel_options messages() const noexcept { return messages_.value_or(channel_options()); }

  std::uint32_t weight() const noexcept { return weight_.value_or(1); }
  std::uint32_t generation() const noexcept { return generation_.value_or(0); }
  std::uint64_t max_requests() const noexcept { return max_requests_.value_or(0); }
  duration max_age() const noexcept { return max_age_.value_or(duration::zero()); }
  std::uint64_t max_memory() const noexcept { return max_memory_.value_or(0); }
  std::uint64_t max_descriptors() const noexcept { return max_descriptors_.value_or(0); }
  double retire_jitter() const noexcept { return retire_jitter_.value_or(0); }
  duration usage_interval() const noexcept
  {
    return usage_interval_.value_or(std::chrono::seconds(5));
  }
  std::string group() const { return group_.value_or(std::string()); }
  duration heartbeat() const noexcept { return heartbeat_.value_or(duration::zero()); }
  unsigned heartbeat_misses() const noexcept { return heartbeat_misses_.value_or(0); }

  /// Lays what is set in `upper` over this.
  void overlay(const settings& upper);

private:
  template <class T>
  settings& set(std::optional<T>& field, T value)
  {
    field = std::move(value);
    return *this;
  }

  std::optional<std::string> exec_;
  std::optional<std::vector<std::string>> args_;
  std::optional<std::vector<std::string>> exec_argv_;
  std::optional<std::uint16_t> launcher_port_;
  std::optional<environment> env_;
  std::optional<std::string> cwd_;
  std::optional<bool> silent_;
  std::optional<std::vector<cohort::stdio>> stdio_;
  std::optional<uid_t> uid_;
  std::optional<gid_t> gid_;
  std::optional<std::vector<gid_t>> groups_;
  std::vector<resource_limit> limits_;
  std::optional<bool> no_new_privs_;
  std::optional<cohort::process_group> process_group_;
  std::optional<duration> fence_grace_;
  std::optional<duration> kill_grace_;
  std::optional<channel_options> messages_;
  std::optional<std::uint32_t> weight_;
  std::optional<std::uint32_t> generation_;
  std::optional<std::uint64_t> max_requests_;
  std::optional<duration> max_age_;
  std::optional<std::uint64_t> max_memory_;
  std::optional<std::uint64_t> max_descriptors_;
  std::optional<double> retire_jitter_;
  std::optional<duration> usage_interval_;
  std::optional<std::string> group_;
  std::optional<duration> heartbeat_;
  std::optional<unsigned> heartbeat_misses_;
};

// Implementation

inline settings& settings::stdio(std::vector<cohort::stdio> values) &
{
  // From 3 on this process has what it opened by chance, and would give it away.
  for (std::size_t number = 3; number < values.size(); ++number)
    if (values[number].from() == cohort::stdio::source::inherit)
      throw std::invalid_argument("cohort: only descriptors 0 to 2 are inherited");
  return set(stdio_, std::move(values));
}

inline settings& settings::heartbeat(duration interval, unsigned misses) &
{
  constexpr duration longest = std::chrono::hours(24);
  if (interval != duration::zero() &&
      (interval < std::chrono::milliseconds(1) || interval > longest))
    throw std::invalid_argument(
        "cohort: a heartbeat takes a millisecond at least, and a day at most");
  set(heartbeat_, interval);
  return set(heartbeat_misses_, misses);
}

inline settings& settings::max_age(duration value) &
{
  if (value < duration::zero()) throw std::invalid_argument("cohort: an age below 0");
  return set(max_age_, value);
}

inline settings& settings::retire_jitter(double share) &
{
  if (!(share >= 0 && share <= 1)) throw std::invalid_argument("cohort: a share is from 0 to 1");
  return set(retire_jitter_, share);
}

inline settings& settings::usage_interval(duration value) &
{
  if (value <= duration::zero()) throw std::invalid_argument("cohort: no interval above 0");
  return set(usage_interval_, value);
}

inline settings& settings::group(std::string name) &
{
  if (name.find('\0') != name.npos) throw std::invalid_argument("cohort: NUL byte in a group");
  return set(group_, std::move(name));
}

inline settings& settings::limit(const resource_limit& value) &
{
  const auto found = std::ranges::find(limits_, value.what(), &resource_limit::what);
  if (found == limits_.end()) limits_.push_back(value);
  else *found = value;
  return *this;
}

inline void settings::overlay(const settings& upper)
{
  const auto lay = [](auto& below, const auto& above) {
    if (above) below = above;
  };
  lay(exec_, upper.exec_);
  lay(args_, upper.args_);
  lay(exec_argv_, upper.exec_argv_);
  lay(launcher_port_, upper.launcher_port_);
  if (env_ && upper.env_) env_->overlay(*upper.env_);
  else lay(env_, upper.env_);
  lay(cwd_, upper.cwd_);
  lay(silent_, upper.silent_);
  lay(stdio_, upper.stdio_);
  lay(uid_, upper.uid_);
  lay(gid_, upper.gid_);
  lay(groups_, upper.groups_);
  for (const resource_limit& each : upper.limits_) limit(each);
  lay(no_new_privs_, upper.no_new_privs_);
  lay(process_group_, upper.process_group_);
  lay(fence_grace_, upper.fence_grace_);
  lay(kill_grace_, upper.kill_grace_);
  lay(messages_, upper.messages_);
  lay(weight_, upper.weight_);
  lay(generation_, upper.generation_);
  lay(max_requests_, upper.max_requests_);
  lay(max_age_, upper.max_age_);
  lay(max_memory_, upper.max_memory_);
  lay(max_descriptors_, upper.max_descriptors_);
  lay(retire_jitter_, upper.retire_jitter_);
  lay(usage_interval_, upper.usage_interval_);
  lay(group_, upper.group_);
  lay(heartbeat_, upper.heartbeat_);
  lay(heartbeat_misses_, upper.heartbeat_misses_);
}

} // namespace cohort
