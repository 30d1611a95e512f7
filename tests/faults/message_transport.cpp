// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include "support/failing_system_calls.hpp"

#include <cohort/detail/channel/message_transport.hpp>

#include <doctest/doctest.h>

#include "support/transport_peer.hpp"

#include <cerrno>
#include <string>
#include <vector>

namespace message_transport_faults {

using namespace cohort_test;

TEST_CASE("reading messages to the end goes on past short memory, but not for ever")
{
  {
    transport_pair pair;
    pair.write(message_bytes("sent"));
    pair.second.reset();
    faults faults;
    faults.fail(call::recvmsg, 1, ENOMEM, 4);
    pair.transport().read_to_end();
    CHECK(pair.texts() == std::vector<std::string>{"sent"});
    CHECK(pair.peer->ends.size() == 1);
  }
  transport_pair pair;
  pair.write(message_bytes("sent"));
  faults faults;
  faults.fail_all(call::recvmsg, ENOBUFS);
  pair.transport().read_to_end();
  CHECK(faults.count(call::recvmsg) <= 20);
  CHECK(pair.peer->ends.size() == 1);
  CHECK_FALSE(pair.transport().is_open());
}

} // namespace message_transport_faults
