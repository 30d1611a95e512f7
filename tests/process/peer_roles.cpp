// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers that send each other messages.

#include "support/job_protocol.hpp"
#include "support/worker_roles.hpp"

#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/wire/message_frame.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace peer_roles {

using namespace cohort_test::jobs;
namespace wire = cohort::detail::wire;

namespace {

// What the primary sends is an order: whom to say something, and the number for it.
cohort::send_status obey(self_type& self, const task& order)
{
  const task said = make_task("hello", order.number);
  if (order.what == "all") return self.broadcast(said);
  if (order.what == "worker")
    return self.send_to(static_cast<cohort::worker_id>(order.number), said);
  return self.send_to(order.what, said);
}

// So many large messages, numbered through.
void flood(self_type& self, std::uint64_t count, const std::string& group)
{
  static std::uint64_t number = 0;
  for (const std::uint64_t end = number + count; number != end; ++number)
    self.send_to(group, make_task(std::string(10'000, 'x'), number));
}

asio::awaitable<void> talk(self_type& self)
{
  self.ready();
  for (std::error_code end; !end;) {
    auto next = co_await self.receive<task>(asio::redirect_error(asio::use_awaitable, end));
    if (end) break;
    const task& said = next.message;
    if (next.worker != 0) {
      // Another worker's: the primary learns who has said what.
      result heard;
      heard.what = said.what + " from " + std::to_string(next.worker);
      heard.number = said.number;
      self.send(heard);
    } else if (said.what.starts_with("flood ")) {
      flood(self, said.number, said.what.substr(6));
    } else if (said.what == "last words") {
      self.send_to("b", make_task("last words"));
      co_await self.flushed(asio::use_awaitable);
      std::raise(SIGKILL);
    } else {
      const cohort::send_status status = obey(self, said);
      result told;
      told.what = to_string(status);
      self.send(told);
    }
  }
}

const cohort_test::worker_role talking_role("talks to others", [](int, char**) {
  asio::io_context context(1);
  self_type self(context);
  asio::co_spawn(context, talk(self), asio::detached);
  context.run();
  return EXIT_SUCCESS;
});

// A frame as it should be, and each way in which it should not.
std::vector<std::byte> relay(std::uint64_t worker, const std::string& group)
{
  std::vector<std::byte> frame(wire::relay_head_size(group.size()));
  wire::encode_relay_head(worker, group, {1, 2}, 0, frame);
  return frame;
}
std::vector<std::byte> wrong_frame(const std::string& which)
{
  if (which == "both") return relay(1, "b");
  if (which == "long name") return relay(0, std::string(65, 'b'));
  std::vector<std::byte> frame = relay(0, "b");
  if (which == "name beyond the end") frame[wire::header_size + 1] = std::byte(1);
  if (which == "from the primary") frame[4] = std::byte(6);
  if (which == "descriptors") frame[6] = std::byte(1);
  return frame;
}

const cohort_test::worker_role wrong_role("wrong messages to others", [](int, char**) {
  asio::io_context context(1);
  self_type self(context);
  const std::string which = std::getenv("COHORT_TEST_WRONG");
  const auto frame = wrong_frame(which);
  const int numbers[] = {1};
  std::error_code error;
  // The message channel has this number, see docs/protocol.md.
  iovec data{const_cast<std::byte*>(frame.data()), frame.size()};
  cohort::detail::posix::send_with_fds(
      4, std::span(&data, 1), std::span(numbers).first(which == "descriptors" ? 1 : 0), error);
  context.run();
  return EXIT_SUCCESS;
});

} // namespace

} // namespace peer_roles
