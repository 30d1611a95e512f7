// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace cohort {

/// How a worker listens, or binds for datagrams. The first worker that listens on an address
/// creates the socket with its options; `credit`, `adaptive_credit`, `exclusive` and `reuse_port`
/// are each worker's own.
///
/// Source: Node's `server.listen(options)`; credit and holding are cohort's.
class listen_options {
public:
  listen_options() = default;

  /// How many connections may wait in the kernel. Default: 511. Source: Node.
  listen_options& backlog(int value) & { return set(backlog_, at_least_one(value)); }
  listen_options backlog(int value) && { return backlog(value); }

  /// How many connections may be offered to this worker before it has taken them. Default: 16,
  /// at most 128.
  listen_options& credit(unsigned value) &;
  listen_options credit(unsigned value) && { return credit(value); }

  /// Whether fewer than `credit` are offered to this worker while they have to wait for it: 5 ms or
  /// more, for a worker that is often busy. It begins with 16, or fewer when `credit` is. Without
  /// effect where workers accept themselves. Default: false.
  listen_options& adaptive_credit(bool value) & { return set(adaptive_credit_, value); }
  listen_options adaptive_credit(bool value) && { return adaptive_credit(value); }

  /// Whether an IPv6 socket leaves IPv4 alone. Default: false.
  listen_options& ipv6_only(bool value) & { return set(ipv6_only_, value); }
  listen_options ipv6_only(bool value) && { return ipv6_only(value); }

  /// Whether this worker binds for itself, without the cluster. Default: false.
  listen_options& exclusive(bool value) & { return set(exclusive_, value); }
  listen_options exclusive(bool value) && { return exclusive(value); }

  /// Whether this worker has a socket of its own on a port that other sockets of this user have
  /// too, without the cluster (SO_REUSEPORT): the kernel spreads what comes over those that say so.
  /// Implies `exclusive`. Default: false. Source: Node's `reusePort`.
  listen_options& reuse_port(bool value) & { return set(reuse_port_, value); }
  listen_options reuse_port(bool value) && { return reuse_port(value); }

  /// Datagrams: whether other sockets that say the same may have the address too (SO_REUSEADDR),
  /// others of this worker as well. Which of them a datagram goes to is the kernel's business.
  /// Default: false. Source: Node's `reuseAddr`.
  listen_options& reuse_address(bool value) & { return set(reuse_address_, value); }
  listen_options reuse_address(bool value) && { return reuse_address(value); }

  /// Whether the primary keeps the socket, and the connections that wait on it, when the last
  /// worker leaves or dies, for the next one to come. Default: false, as in Node.
  listen_options& hold_when_empty(bool value) & { return set(hold_when_empty_, value); }
  listen_options hold_when_empty(bool value) && { return hold_when_empty(value); }

  /// Bytes that all get who listen on the address, such as the keys of TLS tickets, if this worker
  /// is the first: see `acceptor::shared_data`. Default: none. Source: Node, which does so with the
  /// keys.
  /// @throws std::length_error when there are more than 4,096.
  listen_options& shared_data(std::string bytes) &;
  listen_options shared_data(std::string bytes) && { return shared_data(std::move(bytes)); }

  /// Permission bits of a unix socket. Default: 0600.
  listen_options& mode(unsigned value) & { return set(mode_, value & 0777U); }
  listen_options mode(unsigned value) && { return mode(value); }

  int backlog() const noexcept { return backlog_; }
  unsigned credit() const noexcept { return credit_; }
  bool adaptive_credit() const noexcept { return adaptive_credit_; }
  bool ipv6_only() const noexcept { return ipv6_only_; }
  bool exclusive() const noexcept { return exclusive_ || reuse_port_; }
  bool reuse_port() const noexcept { return reuse_port_; }
  bool reuse_address() const noexcept { return reuse_address_; }
  bool hold_when_empty() const noexcept { return hold_when_empty_; }
  unsigned mode() const noexcept { return mode_; }
  const std::string& shared_data() const noexcept { return shared_data_; }

private:
  template <class T>
  listen_options& set(T& field, T value) noexcept
  {
    field = value;
    return *this;
  }

  static int at_least_one(int value)
  {
    if (value < 1) throw std::invalid_argument("cohort: a backlog is at least 1");
    return value;
  }

  int backlog_ = 511;
  unsigned credit_ = 16;
  unsigned mode_ = 0600;
  bool adaptive_credit_ = false;
  bool ipv6_only_ = false;
  bool exclusive_ = false;
  bool reuse_port_ = false;
  bool reuse_address_ = false;
  bool hold_when_empty_ = false;
  std::string shared_data_;
};

// Implementation

inline listen_options& listen_options::credit(unsigned value) &
{
  if (value < 1 || value > 128) throw std::invalid_argument("cohort: credit is 1 to 128");
  return set(credit_, value);
}

inline listen_options& listen_options::shared_data(std::string bytes) &
{
  if (bytes.size() > 4096) throw std::length_error("cohort: shared data is at most 4096 bytes");
  shared_data_ = std::move(bytes);
  return *this;
}

} // namespace cohort
