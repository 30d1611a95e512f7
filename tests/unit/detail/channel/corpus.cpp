// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/incoming_messages.hpp>

#include <doctest/doctest.h>

#include "fuzz/messages.hpp"
#include "fuzz/replay.hpp"

#include <asio/io_context.hpp>

namespace channel_corpus_test {

namespace {

auto check(asio::io_context& io)
{
  return
      [&io](cohort_test::fuzz::byte_span input) { cohort_test::fuzz::check_messages(io, input); };
}

} // namespace

TEST_CASE("messages that fuzzing found interesting are the same in pieces and whole")
{
  asio::io_context io(1);
  cohort_test::fuzz::replay("messages", 40, check(io));
}

TEST_CASE("what lies close to interesting messages is, too")
{
  asio::io_context io(1);
  cohort_test::fuzz::replay_changed("messages", 20, check(io));
}

} // namespace channel_corpus_test
