// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/posix/notify_socket.hpp>

#include <doctest/doctest.h>

#include "support/notify_listener.hpp"

#include <string>
#include <system_error>
#include <unistd.h>

namespace notify_socket_test {

using namespace cohort::detail::posix;

namespace {

std::error_code error_of(const std::string& text)
{
  std::error_code error = std::make_error_code(std::errc::io_error);
  const socket_address address = notify_address(text, error);
  CHECK(address.empty() == static_cast<bool>(error));
  return error;
}

} // namespace

TEST_CASE("a notify socket is at an absolute path or at an abstract name, and nowhere else")
{
  CHECK_FALSE(error_of("/run/systemd/notify"));
  CHECK_FALSE(error_of("@notify"));
  CHECK_FALSE(error_of('/' + std::string(106, 'x')));
  CHECK(error_of('/' + std::string(107, 'x')) == std::errc::filename_too_long);
  CHECK(error_of('@' + std::string(107, 'x')) == std::errc::filename_too_long);
  for (const std::string& bad : {std::string(), std::string("/"), std::string("@"),
           std::string("run/notify"), std::string("vsock:2:1234"), std::string("vsock-stream:2:1"),
           std::string(" /run/notify"), std::string("/a\0b", 4), std::string("\0abstract", 9)})
    CHECK(error_of(bad) == std::errc::address_family_not_supported);
  std::error_code error;
  CHECK(notify_address("@notify", error).to_string() == "@notify");
  CHECK(notify_address("/run/notify", error).to_string() == "/run/notify");
}

TEST_CASE("a datagram arrives whole, with its sender, and no descriptor stays")
{
  for (const bool abstract : {false, true}) {
    cohort_test::notify_listener listener(abstract);
    std::error_code error;
    const socket_address where = notify_address(listener.address(), error);
    const auto before = cohort_test::count_descriptors();
    send_datagram(where, "READY=1\nSTATUS=up\n", error);
    CHECK_FALSE(error);
    CHECK(cohort_test::count_descriptors() == before);
    CHECK(listener.poll() == "READY=1\nSTATUS=up\n");
    CHECK(listener.sender() == ::getpid());
  }
}

TEST_CASE("what cannot be sent is an error, and nothing blocks")
{
  std::error_code error;
  std::string gone;
  {
    cohort_test::notify_listener listener;
    gone = listener.address();
    const socket_address where = notify_address(gone, error);
    // Nobody reads: its queue is full some time.
    for (int sent = 0; sent != 100'000 && !error; ++sent) send_datagram(where, "STATUS=x\n", error);
    CHECK(error == std::errc::resource_unavailable_try_again);
    CHECK(listener.poll_all().size() > 1);
    send_datagram(where, "READY=1\n", error);
    CHECK_FALSE(error);
  }
  send_datagram(notify_address(gone, error), "READY=1\n", error);
  CHECK(error == std::errc::no_such_file_or_directory);
  send_datagram(notify_address("@cohort-test-nobody", error), "READY=1\n", error);
  CHECK(error == std::errc::connection_refused);
}

} // namespace notify_socket_test
