// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/group.hpp>

#include <cstddef>
#include <system_error>
#include <variant>

namespace cohort::detail {

/// Opens the listeners of a group in the primary; with an error none of them is open.
template <class Cluster>
void open_listeners(Cluster& cluster, const group& description, std::error_code& error);

/// The primary does not hold them any more.
template <class Cluster>
void close_listeners(Cluster& cluster, const group& description);

/// Opens those of all groups; with an error none of them is open.
/// @param groups a vector of pointers to what has `description()`.
template <class Cluster, class Groups>
void open_all_listeners(Cluster& cluster, const Groups& groups, std::error_code& error);

// Implementation

template <class Cluster>
void open_listeners(Cluster& cluster, const group& description, std::error_code& error)
{
  std::size_t opened = 0;
  for (const group::listener& each : description.listeners()) {
    const auto listen = [&](const auto& where) {
      cluster.listen(where, each.options, error);
      if (error) return;
      ++opened;
      if (description.gone()) cluster.answer(where, *description.gone(), error);
    };
    std::visit(listen, each.where);
    if (error) break;
  }
  for (std::size_t each = 0; error && each != opened; ++each) {
    const auto stop = [&](const auto& where) { cluster.stop_listening(where); };
    std::visit(stop, description.listeners()[each].where);
  }
}

template <class Cluster>
void close_listeners(Cluster& cluster, const group& description)
{
  for (const group::listener& each : description.listeners()) {
    const auto stop = [&](const auto& where) { cluster.stop_listening(where); };
    std::visit(stop, each.where);
  }
}

template <class Cluster, class Groups>
void open_all_listeners(Cluster& cluster, const Groups& groups, std::error_code& error)
{
  for (std::size_t opened = 0; opened != groups.size() && !error; ++opened) {
    open_listeners(cluster, groups[opened]->description(), error);
    while (error && opened != 0) close_listeners(cluster, groups[--opened]->description());
  }
}

} // namespace cohort::detail
