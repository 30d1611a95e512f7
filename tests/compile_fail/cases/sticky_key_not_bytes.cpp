// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: (constraint failure|not satisfied) for .*sticky_by
// expect-lines: 15
//
// A client's key is bytes that stand for it.

#include <cohort/scheduling/sticky.hpp>

struct port_key {
#ifdef MUST_FAIL
  std::uint16_t operator()(const cohort::connection_info& connection) const
  {
    return connection.peer_port();
  }
#else
  std::span<const std::byte> operator()(const cohort::connection_info& connection) const
  {
    return connection.first_bytes();
  }
#endif
};

int main() { [[maybe_unused]] cohort::sticky_by<port_key> policy; }
