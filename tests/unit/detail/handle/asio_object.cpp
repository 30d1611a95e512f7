// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/handle/asio_object.hpp>

#include <doctest/doctest.h>

#include <cohort/detail/posix/unique_fd.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

#include <array>
#include <concepts>
#include <fcntl.h>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace asio_object_test {

using namespace cohort::detail;
using asio::ip::tcp;
using asio::ip::udp;
using cohort::handle_kind;
using stream = asio::local::stream_protocol;
using datagram = asio::local::datagram_protocol;
using asio::posix::stream_descriptor;

namespace {

// As a connection of the library: a socket inside.
struct played_connection {
  tcp::socket inner;

  tcp::socket& socket() { return inner; }
  tcp::socket release() { return std::move(inner); }
};
// `socket()` gives another type than `release()`, or only a copy of a pointer.
struct other_socket {
  udp::socket& socket();
  tcp::socket release();
};
struct socket_by_pointer {
  tcp::socket* socket();
  tcp::socket release();
};
// A number that is no `int` is no descriptor.
struct wide_number {
  bool is_open();
  long native_handle();
  int release();
};
// Has a descriptor, and keeps it.
struct keeper {
  bool is_open();
  int native_handle();
};

using on_strand = asio::basic_stream_socket<tcp, asio::strand<asio::io_context::executor_type>>;

static_assert(descriptor_owner<tcp::socket> && descriptor_owner<tcp::acceptor>);
static_assert(descriptor_owner<udp::socket> && descriptor_owner<stream_descriptor>);
static_assert(descriptor_owner<on_strand>);
static_assert(descriptor_object<keeper> && !descriptor_owner<keeper>);
static_assert(!descriptor_object<wide_number> && !descriptor_owner<wide_number>);
static_assert(!descriptor_object<played_connection> && connection_owner<played_connection>);
static_assert(!connection_owner<other_socket> && !connection_owner<socket_by_pointer>);
static_assert(!connection_owner<tcp::socket>);
static_assert(!descriptor_object<int> && !descriptor_object<std::string>);
static_assert(!descriptor_object<asio::steady_timer>);

// To keep the object and duplicate its descriptor takes less than to take that away.
static_assert(duplicable<keeper> && !handle_source<keeper>);
static_assert(duplicable<played_connection> && handle_source<played_connection>);
static_assert(handle_source<tcp::socket> && !handle_source<tcp::socket&>);
static_assert(!handle_source<const tcp::socket> && !handle_source<const tcp::socket&>);

static_assert(is_handle_target<tcp::socket> && is_handle_target<on_strand>);
static_assert(!is_handle_target<played_connection> && !is_handle_target<keeper>);
static_assert(!is_handle_target<int>);

static_assert(executor_source<asio::io_context, tcp::socket>);
static_assert(executor_source<asio::thread_pool, tcp::socket>);
static_assert(executor_source<asio::any_io_executor, tcp::socket>);
static_assert(executor_source<const asio::io_context::executor_type, tcp::socket>);
static_assert(executor_source<asio::strand<asio::any_io_executor>, tcp::socket>);
// A strand is not made of what is none.
static_assert(!executor_source<int, tcp::socket>);
static_assert(!executor_source<asio::thread_pool::executor_type, on_strand>);

constexpr std::array all_kinds{handle_kind::none, handle_kind::tcp_socket,
    handle_kind::tcp_listener, handle_kind::udp_socket, handle_kind::unix_stream,
    handle_kind::unix_listener, handle_kind::unix_datagram, handle_kind::unix_seqpacket,
    handle_kind::pipe, handle_kind::file, handle_kind::memfd, handle_kind::directory,
    handle_kind::device, handle_kind::unsupported};

// The kinds that an object of this type can be made of.
template <class Object>
std::vector<handle_kind> fitting(bool readable = true, bool writable = true)
{
  std::vector<handle_kind> found;
  for (const handle_kind each : all_kinds) {
    posix::descriptor_facts facts;
    facts.kind = each;
    facts.readable = readable;
    facts.writable = writable;
    if (handle_target<Object>::fits(facts)) found.push_back(each);
  }
  return found;
}

using kinds = std::vector<handle_kind>;

} // namespace

TEST_CASE("each type of Asio is made of its own kind of descriptor")
{
  CHECK(fitting<tcp::socket>() == kinds{handle_kind::tcp_socket});
  CHECK(fitting<on_strand>() == kinds{handle_kind::tcp_socket});
  CHECK(fitting<tcp::acceptor>() == kinds{handle_kind::tcp_listener});
  CHECK(fitting<udp::socket>() == kinds{handle_kind::udp_socket});
  CHECK(fitting<stream::socket>() == kinds{handle_kind::unix_stream});
  CHECK(fitting<stream::acceptor>() == kinds{handle_kind::unix_listener});
  CHECK(fitting<datagram::socket>() == kinds{handle_kind::unix_datagram});
  CHECK(fitting<stream_descriptor>() == kinds{handle_kind::pipe, handle_kind::device});
  CHECK(fitting<stream_descriptor>(true, false) == kinds{handle_kind::pipe, handle_kind::device});
#if ASIO_VERSION >= 102700
  CHECK(fitting<asio::local::seq_packet_protocol::socket>() == kinds{handle_kind::unix_seqpacket});
#endif
}

#if defined(ASIO_HAS_PIPE)
TEST_CASE("the end of a pipe is made of one that is open for it")
{
  CHECK(fitting<asio::readable_pipe>(true, false) == kinds{handle_kind::pipe});
  CHECK(fitting<asio::readable_pipe>(false, true).empty());
  CHECK(fitting<asio::writable_pipe>(false, true) == kinds{handle_kind::pipe});
  CHECK(fitting<asio::writable_pipe>(true, false).empty());
}
#endif

TEST_CASE("the descriptor of an object is found where it lies, or is none")
{
  asio::io_context context(1);
  tcp::socket socket(context);
  CHECK(descriptor_of(socket) == -1);
  socket.open(tcp::v4());
  CHECK(descriptor_of(socket) == socket.native_handle());
  CHECK(&owner_of(socket) == &socket);

  played_connection connection{tcp::socket(context)};
  CHECK(&owner_of(connection) == &connection.inner);
  CHECK(descriptor_of(connection) == -1);
  connection.inner.open(tcp::v4());
  CHECK(descriptor_of(connection) == connection.inner.native_handle());
}

TEST_CASE("a descriptor that is taken away is still open, and the object is not")
{
  asio::io_context context(1);
  tcp::socket socket(context, tcp::v4());
  const int number = socket.native_handle();
  const posix::unique_fd taken(release_descriptor(socket));
  CHECK(taken.get() == number);
  CHECK_FALSE(socket.is_open());
  CHECK(::fcntl(number, F_GETFD) != -1);

  played_connection connection{tcp::socket(context, tcp::v4())};
  const int inside = connection.inner.native_handle();
  const posix::unique_fd other(release_descriptor(connection));
  CHECK(other.get() == inside);
  CHECK_FALSE(connection.inner.is_open());
  CHECK(::fcntl(inside, F_GETFD) != -1);
}

TEST_CASE("what Asio refuses to give away is not taken")
{
  asio::io_context context(1);
  tcp::socket socket(context);
  CHECK_THROWS_AS(release_descriptor(socket), std::system_error);
}

TEST_CASE("an executor comes from a context, or is the one that is given")
{
  asio::io_context context(1);
  CHECK(executor_of<tcp::socket>(context) == asio::any_io_executor(context.get_executor()));
  const auto strand = asio::make_strand(context);
  CHECK(executor_of<tcp::socket>(strand) == asio::any_io_executor(strand));
  CHECK(executor_of<on_strand>(strand) == strand);
  static_assert(std::same_as<decltype(executor_of<on_strand>(strand)), on_strand::executor_type>);
}

TEST_CASE("Internet sockets have the version of their descriptor, others have none")
{
  posix::descriptor_facts facts;
  CHECK(protocol_of<tcp>(facts) == tcp::v4());
  CHECK(protocol_of<udp>(facts) == udp::v4());
  CHECK(protocol_of<stream>(facts).family() == AF_UNIX);
  facts.ipv6 = true;
  CHECK(protocol_of<tcp>(facts) == tcp::v6());
  CHECK(protocol_of<udp>(facts) == udp::v6());
  CHECK(protocol_of<datagram>(facts).family() == AF_UNIX);
}

} // namespace asio_object_test
