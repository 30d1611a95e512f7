// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/offered_source.hpp>

#include <string>
#include <utility>
#include <vector>

namespace cohort_test {

namespace wire = cohort::detail::wire;

/// The owner of a source that counts the leases that have ended.
struct silent_owner final : cohort::detail::source_owner {
  void source_lease_ended() override { ++ended; }
  int ended = 0;
};

inline std::string name_of(wire::refuse_reason reason)
{
  return reason == wire::refuse_reason::no_room    ? "no_room"
         : reason == wire::refuse_reason::draining ? "draining"
                                                   : "unusable";
}

/// Writes down what would go to the primary.
struct noted_port final : cohort::detail::control_port {
  bool try_send(const wire::taken& message) override
  {
    if (!has_room) return false;
    std::string line = "taken " + std::to_string(message.first);
    if (message.count != 1) line += " and more";
    if (message.released != 0) line += ", released " + std::to_string(message.released);
    sent.push_back(line);
    return true;
  }
  void send(const wire::listen&) override { sent.push_back("listen"); }
  void send(const wire::listening&) override { sent.push_back("listening"); }
  void send(const wire::credit& message) override
  {
    sent.push_back("credit " + std::to_string(message.window));
  }
  void send(const wire::refused& message) override
  {
    sent.push_back("refused " + std::to_string(message.first) + '+' +
                   std::to_string(message.count) + ' ' + name_of(message.reason));
  }
  void send(const wire::released& message) override
  {
    sent.push_back("released " + std::to_string(message.count));
  }
  void send(const wire::accepted& message) override
  {
    std::string line = "accepted " + std::to_string(message.count);
    if (message.left != 0) line += ", left " + std::to_string(message.left);
    sent.push_back(line);
  }
  void send(const wire::close&) override { sent.push_back("close"); }

  std::vector<std::string> take() { return std::exchange(sent, {}); }

  bool has_room = true;
  std::vector<std::string> sent;
};

} // namespace cohort_test
