// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/any_host.hpp>
#include <cohort/autoscale.hpp>
#include <cohort/inherited_socket.hpp>
#include <cohort/listen_options.hpp>
#include <cohort/overflow.hpp>
#include <cohort/restart_policy.hpp>
#include <cohort/settings.hpp>
#include <cohort/unix_path.hpp>

#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace cohort {

/// When a worker of a group counts as one that serves.
enum class readiness : std::uint8_t {
  /// It has called `this_worker::ready`, or listens. The default.
  said,
  /// Its runtime has said hello.
  online,
  /// It has been started: for programs that know nothing of this library.
  started,
};

/// Workers of one kind that a `supervisor` keeps running: how many, what they run, where they
/// listen. Source: node-cluster's `register`.
class group {
public:
  using duration = std::chrono::steady_clock::duration;
  using place = std::variant<asio::ip::tcp::endpoint, any_host,
      asio::local::stream_protocol::endpoint, unix_path, inherited_socket>;

  /// A listener of the group.
  struct listener {
    place where;
    listen_options options;
  };

  /// @throws std::invalid_argument when the name is empty, has more than 64 bytes, or white space
  ///   or control characters.
  explicit group(std::string name);

  /// How many workers there are to be; 0: one for each processor, the default.
  group& workers(unsigned count) & { return set(workers_, count); }
  group workers(unsigned count) && { return std::move(workers(count)); }

  /// The program that the workers run, by its path, and its arguments. Default: this program with
  /// its own.
  group& program(std::string path, std::vector<std::string> args = {}) &;
  group program(std::string path, std::vector<std::string> args = {}) &&
  {
    return std::move(program(std::move(path), std::move(args)));
  }

  /// How the workers are started otherwise: user, limits, environment and so on; laid over the
  /// supervisor's settings. What `program` and `max_requests` say is part of it.
  group& settings(const cohort::settings& value) &
  {
    settings_.overlay(value);
    return *this;
  }
  group settings(const cohort::settings& value) && { return std::move(settings(value)); }

  /// Adds a listener: the primary opens it before the first worker starts and keeps it open while
  /// there is none. A worker that listens there joins it. A group may have any number, or none. An
  /// `inherited_socket` is joined by its name, or by its address.
  /// @throws std::invalid_argument for port 0: the workers would not know which one that is.
  group& listen(place where, const listen_options& options = listen_options()) &;
  group listen(place where, const listen_options& options = listen_options()) &&
  {
    return std::move(listen(std::move(where), options));
  }

  /// What clients get while no worker of the group listens: see `cluster::answer`. Default: they
  /// wait. Source: node-cluster's `gone`.
  group& gone(overflow what) &
  {
    gone_ = std::move(what);
    return *this;
  }
  group gone(overflow what) && { return std::move(gone(std::move(what))); }

  /// How the event loops of the workers are watched: see `settings::heartbeat`. Default: every 2
  /// seconds, and who is not heard for a minute hangs, and is ended; 0 for programs that may block
  /// longer or are looked at with a debugger.
  group& heartbeat(duration interval, unsigned misses = 0) &
  {
    settings_.heartbeat(interval, misses);
    return *this;
  }
  group heartbeat(duration interval, unsigned misses = 0) &&
  {
    return std::move(heartbeat(interval, misses));
  }

  /// A worker is replaced when it has answered so many requests, the new one ready first; 0: never,
  /// the default. See `this_worker::request_done`, and `retire_jitter`. Source: node-cluster's
  /// `maxc`.
  group& max_requests(std::uint64_t value) &
  {
    settings_.max_requests(value);
    return *this;
  }
  group max_requests(std::uint64_t value) && { return std::move(max_requests(value)); }

  /// The same when it has served for so long: see `settings::max_age`.
  group& max_age(duration value) &
  {
    settings_.max_age(value);
    return *this;
  }
  group max_age(duration value) && { return std::move(max_age(value)); }

  /// The same when it has so many bytes in memory: see `settings::max_memory`.
  group& max_memory(std::uint64_t bytes) &
  {
    settings_.max_memory(bytes);
    return *this;
  }
  group max_memory(std::uint64_t bytes) && { return std::move(max_memory(bytes)); }

  /// The same when it has so many descriptors open: see `settings::max_descriptors`.
  group& max_descriptors(std::uint64_t value) &
  {
    settings_.max_descriptors(value);
    return *this;
  }
  group max_descriptors(std::uint64_t value) && { return std::move(max_descriptors(value)); }

  /// By which share at most each of these four limits is lowered, drawn for each worker: see
  /// `settings::retire_jitter`. Default: 0.1.
  group& retire_jitter(double share) &
  {
    settings_.retire_jitter(share);
    return *this;
  }
  group retire_jitter(double share) && { return std::move(retire_jitter(share)); }

  /// When workers that ended are replaced. Default: see `restart_policy`.
  group& restarts(const restart_policy& value) & { return set(restarts_, value); }
  group restarts(const restart_policy& value) && { return std::move(restarts(value)); }

  /// What makes a worker ready, so that it counts. Default: `readiness::said`.
  group& ready_when(readiness value) & { return set(ready_when_, value); }
  group ready_when(readiness value) && { return std::move(ready_when(value)); }

  /// Whether a worker is started only when the one before it is ready. Default: false.
  /// Source: `pm`'s `use_serial_mode`.
  group& serial(bool value) & { return set(serial_, value); }
  group serial(bool value) && { return std::move(serial(value)); }

  /// Whether workers, of whatever group, may have this one reloaded by
  /// `this_worker::request_reload`, as often as they like but while it is under way. Default:
  /// false.
  group& reload_on_request(bool value) & { return set(reload_on_request_, value); }
  group reload_on_request(bool value) && { return std::move(reload_on_request(value)); }

  /// Between which numbers of workers the signals SIGTTIN and SIGTTOU change how many there are,
  /// one more or one fewer each; the same number twice: only towards it. Unless said, a group with
  /// listeners has from 1 to four times `workers`, and one without listeners is left alone. It
  /// bounds neither `workers` nor `supervisor::resize`.
  /// @throws std::invalid_argument unless 0 < min <= max.
  /// Source: gunicorn, unicorn.
  group& scalable(unsigned min, unsigned max) &;
  group scalable(unsigned min, unsigned max) && { return std::move(scalable(min, max)); }

  /// Has a rule say how many workers there are: see `cohort::autoscale`. It begins with `workers`,
  /// and is asked while the group runs; SIGTTIN and SIGTTOU change nothing then, and what
  /// `supervisor::resize` says holds, within the bounds, until the rule wants something else.
  /// Default: none.
  group& autoscale(cohort::autoscale value) & { return set(autoscale_, std::optional(value)); }
  group autoscale(cohort::autoscale value) && { return std::move(autoscale(std::move(value))); }

  /// How long a worker may take to drain when it is replaced or not wanted any more, before it is
  /// ended by force. Reloads, upgrades and the end of all have deadlines of their own. Default: 30
  /// seconds.
  group& drain_deadline(duration value) & { return set(drain_deadline_, value); }
  group drain_deadline(duration value) && { return std::move(drain_deadline(value)); }

  const std::string& name() const noexcept { return name_; }
  unsigned workers() const noexcept { return workers_; }
  const cohort::settings& settings() const noexcept { return settings_; }
  const std::vector<listener>& listeners() const noexcept { return listeners_; }
  const std::optional<overflow>& gone() const noexcept { return gone_; }
  const restart_policy& restarts() const noexcept { return restarts_; }
  readiness ready_when() const noexcept { return ready_when_; }
  bool serial() const noexcept { return serial_; }
  bool reload_on_request() const noexcept { return reload_on_request_; }
  /// The least and the most of `scalable`; nothing when it was not said.
  const std::optional<std::pair<unsigned, unsigned>>& scalable() const noexcept
  {
    return scalable_;
  }
  const std::optional<cohort::autoscale>& autoscale() const noexcept { return autoscale_; }
  duration drain_deadline() const noexcept { return drain_deadline_; }

private:
  template <class T>
  group& set(T& field, T value)
  {
    field = std::move(value);
    return *this;
  }

  std::string name_;
  unsigned workers_ = 0;
  cohort::settings settings_;
  std::vector<listener> listeners_;
  std::optional<overflow> gone_;
  restart_policy restarts_;
  readiness ready_when_ = readiness::said;
  bool serial_ = false;
  bool reload_on_request_ = false;
  std::optional<std::pair<unsigned, unsigned>> scalable_;
  std::optional<cohort::autoscale> autoscale_;
  duration drain_deadline_ = std::chrono::seconds(30);
};

// Implementation

inline group::group(std::string name) : name_(std::move(name))
{
  const auto is_bad = [](unsigned char each) { return each <= ' ' || each == 127; };
  if (name_.empty() || name_.size() > 64 || std::ranges::any_of(name_, is_bad))
    throw std::invalid_argument("cohort: bad name of a group");
  settings_.group(name_).heartbeat(std::chrono::seconds(2), 30).retire_jitter(0.1);
}

inline group& group::listen(place where, const listen_options& options) &
{
  const auto* const tcp = std::get_if<asio::ip::tcp::endpoint>(&where);
  const auto* const host = std::get_if<any_host>(&where);
  if ((tcp && tcp->port() == 0) || (host && host->port() == 0))
    throw std::invalid_argument("cohort: a group has to know its ports");
  listeners_.push_back(listener{std::move(where), options});
  return *this;
}

inline group& group::scalable(unsigned min, unsigned max) &
{
  if (min == 0 || min > max) throw std::invalid_argument("cohort: bad bounds of a group");
  return set(scalable_, std::optional(std::pair(min, max)));
}

inline group& group::program(std::string path, std::vector<std::string> args) &
{
  settings_.exec(std::move(path)).args(std::move(args));
  return *this;
}

} // namespace cohort
