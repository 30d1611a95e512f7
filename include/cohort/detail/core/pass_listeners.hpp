// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control_messages.hpp>

#include <memory>
#include <system_error>
#include <utility>
#include <vector>

// What becomes of all listeners of a program while another one may take its place, and when it
// does. `Connections` is a `dispatcher`.

namespace cohort::detail {

/// Copies of what is open, for the other program; until it is known whether it takes over, all of
/// it stays open here.
template <class Connections>
std::vector<passed_listener> pass_listeners(Connections& from, std::error_code& error);
/// It does not.
template <class Connections>
void take_back_listeners(Connections& of);
/// It does: it listens from now on, and nobody is accepted here.
template <class Connections>
void let_go_listeners(Connections& of);

/// Takes out who was accepted here and has nobody who could serve him, for a program that listens
/// in place of this one: `give(passed_listener&)` with the connections of one listener at a time.
/// Those that it leaves in there stay here.
template <class Connections, class Give>
void give_stranded(Connections& from, Give give);
/// Serves such; an error if nobody listens there, and they are closed.
template <class Connections>
void adopt_stranded(Connections& here, passed_listener stranded, std::error_code& error);

/// The program before this one has left its sockets to it, with their paths.
template <class Connections>
void take_over_listeners(Connections& here);

// Implementation

template <class Connections>
std::vector<passed_listener> pass_listeners(Connections& from, std::error_code& error)
{
  std::vector<passed_listener> copies;
  from.for_each_asked([&](auto& each, const listen_key& asked, const wire::shared_bytes& data) {
    if (!error && each.is_open()) copies.push_back(each.pass(asked, data, error));
  });
  from.datagrams().pass_to(copies, error);
  if (error) take_back_listeners(from);
  return copies;
}

template <class Connections>
void take_back_listeners(Connections& of)
{
  of.datagrams().take_back(of.holds());
  of.for_each_asked([](auto& each, const auto&...) { each.take_back(); });
}

template <class Connections>
void let_go_listeners(Connections& of)
{
  of.datagrams().take_back(of.holds());
  of.for_each_asked([](auto& each, const auto&...) { each.let_go(); });
}

template <class Connections, class Give>
void give_stranded(Connections& from, Give give)
{
  from.for_each_asked([&](auto& each, const listen_key& asked, const auto&) {
    if (!each.has_successor()) return;
    passed_listener stranded;
    // Any port has become one, by which the other program may know it as well.
    stranded.asked = asked.any_port() ? listen_key(asked.kind, each.bound()) : asked;
    stranded.bound = each.bound();
    stranded.sockets = each.take_stranded();
    if (!stranded.sockets.empty()) give(stranded);
    for (posix::unique_fd& one : stranded.sockets) each.adopt(std::move(one));
  });
}

template <class Connections>
void adopt_stranded(Connections& here, passed_listener stranded, std::error_code& error)
{
  here.for_each_asked([&](auto& each, const listen_key& asked, const auto&) {
    const bool is_it = stranded.is_meant_by(asked) || stranded.asked.names(each.bound());
    if (!is_it || !each.is_open()) return;
    for (posix::unique_fd& one : std::exchange(stranded.sockets, {})) each.adopt(std::move(one));
  });
  if (!stranded.sockets.empty()) error = std::make_error_code(std::errc::address_not_available);
}

template <class Connections>
void take_over_listeners(Connections& here)
{
  here.for_each_asked([](auto& each, const listen_key& asked, const auto&) {
    if (asked.kind == wire::listen_kind::unix_stream) each.own_path();
    each.spread_anew();
  });
}

} // namespace cohort::detail
