// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/handle.hpp>

#include <cohort/connection.hpp>
#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/socket.hpp>

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/read.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include "support/skip.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <sys/eventfd.h>
#include <type_traits>
#include <utility>
#include <vector>

namespace handle_test {

using asio::ip::tcp;
using asio::ip::udp;
using asio::posix::stream_descriptor;
using cohort::handle;
using cohort::handle_kind;
using cohort::detail::posix::unique_fd;
namespace local = asio::local;
namespace posix = cohort::detail::posix;

namespace {

static_assert(std::is_nothrow_default_constructible_v<handle>);
static_assert(std::is_nothrow_move_constructible_v<handle>);
static_assert(std::is_nothrow_move_assignable_v<handle>);
static_assert(!std::is_copy_constructible_v<handle>);
static_assert(!std::is_copy_assignable_v<handle>);
// Only of what is given up, and only when asked to.
static_assert(std::is_constructible_v<handle, tcp::socket>);
static_assert(!std::is_constructible_v<handle, tcp::socket&>);
static_assert(!std::is_constructible_v<handle, const tcp::socket&>);
static_assert(!std::is_constructible_v<handle, const tcp::socket>);
static_assert(!std::is_convertible_v<tcp::socket, handle>);
static_assert(!std::is_constructible_v<handle, int>);
static_assert(!std::is_constructible_v<handle, std::string>);
static_assert(std::is_constructible_v<handle, cohort::connection<tcp>>);
static_assert(!std::is_constructible_v<handle, cohort::connection<tcp>&>);

constexpr std::array all_kinds{handle_kind::tcp_socket, handle_kind::tcp_listener,
    handle_kind::udp_socket, handle_kind::unix_stream, handle_kind::unix_listener,
    handle_kind::unix_datagram, handle_kind::unix_seqpacket, handle_kind::pipe, handle_kind::file,
    handle_kind::memfd, handle_kind::directory, handle_kind::device, handle_kind::unsupported};

unique_fd make_socket(int domain, int type) { return unique_fd(::socket(domain, type, 0)); }

unique_fd make_listener(int domain)
{
  auto fd = make_socket(domain, SOCK_STREAM);
  const sa_family_t family = AF_UNIX;
  if (domain == AF_UNIX)
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&family), sizeof family) == 0);
  REQUIRE(::listen(fd.get(), 1) == 0);
  return fd;
}

std::pair<unique_fd, unique_fd> make_pipe()
{
  int ends[2] = {-1, -1};
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  return {unique_fd(ends[0]), unique_fd(ends[1])};
}

unique_fd make(handle_kind kind)
{
  switch (kind) {
  case handle_kind::tcp_socket: return make_socket(AF_INET, SOCK_STREAM);
  case handle_kind::tcp_listener: return make_listener(AF_INET);
  case handle_kind::udp_socket: return make_socket(AF_INET, SOCK_DGRAM);
  case handle_kind::unix_stream: return make_socket(AF_UNIX, SOCK_STREAM);
  case handle_kind::unix_listener: return make_listener(AF_UNIX);
  case handle_kind::unix_datagram: return make_socket(AF_UNIX, SOCK_DGRAM);
  case handle_kind::unix_seqpacket: return make_socket(AF_UNIX, SOCK_SEQPACKET);
  case handle_kind::pipe: return make_pipe().first;
  case handle_kind::file: return unique_fd(::open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
  case handle_kind::memfd: return unique_fd(::memfd_create("test", MFD_CLOEXEC));
  case handle_kind::directory: return unique_fd(::open("/", O_RDONLY | O_CLOEXEC));
  case handle_kind::device: return unique_fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  case handle_kind::unsupported: return unique_fd(::eventfd(0, EFD_CLOEXEC));
  case handle_kind::none: break;
  }
  return unique_fd();
}

handle make_handle(handle_kind kind)
{
  handle result = handle::adopt(make(kind).release());
  CHECK(result.kind() == kind);
  return result;
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

ino_t file_of(int fd)
{
  struct stat status;
  return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

std::string name(handle_kind kind) { return std::string(to_string(kind)); }

// Makes a T of each kind of handle, which works for `expected` only.
template <class T>
void check_target(const std::vector<handle_kind>& expected)
{
  asio::io_context context;
  for (const handle_kind kind : all_kinds) {
    CAPTURE(name(kind));
    handle source = make_handle(kind);
    const int number = source.native_handle();
    std::error_code error = std::make_error_code(std::errc::interrupted);
    T object = source.to<T>(context, error);
    if (std::find(expected.begin(), expected.end(), kind) != expected.end()) {
      CHECK_MESSAGE(!error, error.message());
      CHECK(object.is_open());
      CHECK(object.native_handle() == number);
      CHECK(!source);
      CHECK(source.kind() == handle_kind::none);
      CHECK(source.native_handle() == -1);
    } else {
      CHECK(error == cohort::error::wrong_handle);
      CHECK(!object.is_open());
      CHECK(source.native_handle() == number);
      CHECK(source.kind() == kind);
      try {
        object = source.to<T>(context.get_executor());
        FAIL_CHECK("no exception");
      } catch (const std::system_error& failed) {
        CHECK(failed.code() == cohort::error::wrong_handle);
      }
      CHECK(is_open(number));
    }
  }
  handle none;
  std::error_code error;
  CHECK(!none.to<T>(context, error).is_open());
  CHECK(error == cohort::error::wrong_handle);
}

// Takes the descriptor out of an open object, and makes such an object of it again.
template <class Object>
void check_way_there_and_back(Object object, handle_kind kind)
{
  CAPTURE(name(kind));
  asio::io_context context;
  const int number = object.native_handle();
  handle owner(std::move(object));
  CHECK(!object.is_open());
  CHECK(owner);
  CHECK(owner.kind() == kind);
  CHECK(owner.native_handle() == number);
  CHECK(!owner.sendable());
  Object back = owner.to<Object>(context);
  CHECK(!owner);
  CHECK(back.native_handle() == number);

  // Once more without exceptions, and then of what is not open any more.
  std::error_code error;
  handle second(std::move(back), error);
  CHECK(!error);
  CHECK(second.kind() == kind);
  handle third(std::move(back), error);
  CHECK(error == std::errc::bad_file_descriptor);
  CHECK(!third);
  CHECK(!back.is_open());
  CHECK_THROWS_AS(handle(std::move(back)), std::system_error);
  CHECK(is_open(number));
  second.close();
  CHECK(!is_open(number));
}

// Pipes of older Asio do not give their descriptor away.
template <class Pipe>
void check_pipe(Pipe pipe)
{
  if constexpr (std::is_constructible_v<handle, Pipe>)
    check_way_there_and_back(std::move(pipe), handle_kind::pipe);
}

bool has_ipv6() { return static_cast<bool>(make_socket(AF_INET6, SOCK_STREAM)); }

} // namespace

TEST_CASE("a new handle is nothing")
{
  handle empty;
  CHECK(!empty);
  CHECK(empty.kind() == handle_kind::none);
  CHECK(empty.native_handle() == -1);
  CHECK(empty.release() == -1);
  empty.close();
  std::error_code error;
  CHECK(!empty.duplicate(error));
  CHECK(error == std::errc::bad_file_descriptor);
  CHECK_THROWS_AS(empty.duplicate(), std::system_error);
}

TEST_CASE("a handle goes back to the kind of object it is, and to no other")
{
  SUBCASE("tcp::socket") { check_target<tcp::socket>({handle_kind::tcp_socket}); }
  SUBCASE("tcp::acceptor") { check_target<tcp::acceptor>({handle_kind::tcp_listener}); }
  SUBCASE("udp::socket") { check_target<udp::socket>({handle_kind::udp_socket}); }
  SUBCASE("local stream socket")
  {
    check_target<local::stream_protocol::socket>({handle_kind::unix_stream});
  }
  SUBCASE("local acceptor")
  {
    check_target<local::stream_protocol::acceptor>({handle_kind::unix_listener});
  }
  SUBCASE("local datagram socket")
  {
    check_target<local::datagram_protocol::socket>({handle_kind::unix_datagram});
  }
  SUBCASE("stream_descriptor")
  {
    check_target<stream_descriptor>({handle_kind::pipe, handle_kind::device});
  }
#if defined(ASIO_HAS_PIPE)
  SUBCASE("readable_pipe") { check_target<asio::readable_pipe>({handle_kind::pipe}); }
#endif
#if ASIO_VERSION >= 102700
  SUBCASE("local sequenced packet socket")
  {
    check_target<local::seq_packet_protocol::socket>({handle_kind::unix_seqpacket});
  }
#endif
}

TEST_CASE("each object of Asio becomes a handle and comes back")
{
  asio::io_context context;
  // Not connected, not bound: open is enough.
  check_way_there_and_back(tcp::socket(context, tcp::v4()), handle_kind::tcp_socket);
  check_way_there_and_back(
      tcp::acceptor(context, tcp::endpoint(tcp::v4(), 0)), handle_kind::tcp_listener);
  check_way_there_and_back(udp::socket(context, udp::v4()), handle_kind::udp_socket);
  check_way_there_and_back(
      local::stream_protocol::socket(context, local::stream_protocol()), handle_kind::unix_stream);
  check_way_there_and_back(local::stream_protocol::acceptor(
                               context, local::stream_protocol(), make_listener(AF_UNIX).release()),
      handle_kind::unix_listener);
  check_way_there_and_back(local::datagram_protocol::socket(context, local::datagram_protocol()),
      handle_kind::unix_datagram);
  check_way_there_and_back(
      stream_descriptor(context, make_pipe().first.release()), handle_kind::pipe);
}

TEST_CASE("an acceptor that does not listen yet is a socket")
{
  asio::io_context context;
  handle owner(tcp::acceptor(context, tcp::v4()));
  CHECK(owner.kind() == handle_kind::tcp_socket);
}

TEST_CASE("objects with other executors come and go")
{
  asio::io_context context;
  asio::thread_pool pool(1);
  using plain = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;
  using strand = asio::strand<asio::io_context::executor_type>;
  using stranded = asio::basic_stream_socket<tcp, strand>;

  handle owner(plain(context, tcp::v4()));
  auto on_strand = owner.to<stranded>(strand(context.get_executor()));
  CHECK(on_strand.is_open());
  owner = handle(std::move(on_strand));
  auto of_context = owner.to<plain>(context);
  owner = handle(std::move(of_context));
  auto of_strand = owner.to<tcp::socket>(asio::make_strand(context));
  owner = handle(std::move(of_strand));
  const auto executor = pool.get_executor();
  auto of_pool = owner.to<tcp::socket>(executor);
  owner = handle(std::move(of_pool));
  auto by_pool = owner.to<tcp::socket>(pool);
  CHECK(by_pool.is_open());
}

TEST_CASE("a socket comes back with its own version of the protocol")
{
  if (!has_ipv6()) return cohort_test::skip("no IPv6");
  asio::io_context context;
  for (const auto& protocol : {tcp::v4(), tcp::v6()}) {
    handle listening(tcp::acceptor(context, tcp::endpoint(protocol, 0)));
    auto acceptor = listening.to<tcp::acceptor>(context);
    auto endpoint = acceptor.local_endpoint();
    CHECK(endpoint.protocol() == protocol);
    const auto loopback = protocol == tcp::v4() ? "127.0.0.1" : "::1";
    endpoint.address(asio::ip::make_address(loopback));
    tcp::socket client(context);
    client.connect(endpoint);
    handle connected(acceptor.accept());
    auto server = connected.to<tcp::socket>(context);
    CHECK(server.remote_endpoint() == client.local_endpoint());
    asio::write(server, asio::buffer("x", 1));
    std::array<char, 1> data;
    CHECK(asio::read(client, asio::buffer(data)) == 1);
  }
  handle datagrams(udp::socket(context, udp::v6()));
  CHECK(datagrams.to<udp::socket>(context).local_endpoint().protocol() == udp::v6());
}

TEST_CASE("what is in flight on an object ends when its descriptor is taken")
{
  asio::io_context context;
  local::stream_protocol::socket first(context), second(context);
  local::connect_pair(first, second);
  std::array<char, 8> data;
  std::error_code seen;
  first.async_read_some(
      asio::buffer(data), [&](std::error_code error, std::size_t) { seen = error; });
  context.poll();
  context.restart();
  handle owner(std::move(first));
  context.run_for(std::chrono::seconds(10));
  CHECK(seen == asio::error::operation_aborted);

  // And the descriptor works on with another context.
  asio::io_context other;
  auto moved = owner.to<local::stream_protocol::socket>(other);
  std::size_t read = 0;
  moved.async_read_some(asio::buffer(data),
      [&](std::error_code error, std::size_t size) { read = error ? 0 : size; });
  asio::write(second, asio::buffer("hello", 5));
  other.run_for(std::chrono::seconds(10));
  CHECK(read == 5);
}

TEST_CASE("a duplicate leaves the object what it has")
{
  asio::io_context context;
  local::stream_protocol::socket first(context), second(context);
  local::connect_pair(first, second);
  std::array<char, 8> data;
  std::size_t read = 0;
  first.async_read_some(asio::buffer(data),
      [&](std::error_code error, std::size_t size) { read = error ? 0 : size; });
  handle copy = handle::duplicate_of(first);
  CHECK(copy.kind() == handle_kind::unix_stream);
  CHECK(copy.native_handle() != first.native_handle());
  CHECK(file_of(copy.native_handle()) == file_of(first.native_handle()));
  CHECK(::fcntl(copy.native_handle(), F_GETFD) == FD_CLOEXEC);
  asio::write(second, asio::buffer("abc", 3));
  context.run_for(std::chrono::seconds(10));
  CHECK(read == 3);

  first.close();
  std::error_code error;
  CHECK(!handle::duplicate_of(first, error));
  CHECK(error == std::errc::bad_file_descriptor);
  CHECK_THROWS_AS(handle::duplicate_of(first), std::system_error);

  handle again = copy.duplicate();
  CHECK(again.kind() == handle_kind::unix_stream);
  CHECK(file_of(again.native_handle()) == file_of(copy.native_handle()));
  copy.close();
  CHECK(again.to<local::stream_protocol::socket>(context).is_open());
}

TEST_CASE("a number can be duplicated, a connection too")
{
  const auto memory = make(handle_kind::memfd);
  handle copy = handle::duplicate_of(memory.get());
  CHECK(copy.kind() == handle_kind::memfd);
  CHECK(file_of(copy.native_handle()) == file_of(memory.get()));
  std::error_code error;
  CHECK(!handle::duplicate_of(-1, error));
  CHECK(error == std::errc::bad_file_descriptor);
  CHECK_THROWS_AS(handle::duplicate_of(-1), std::system_error);

  asio::io_context context;
  cohort::connection<tcp> own(tcp::socket(context, tcp::v4()));
  CHECK(handle::duplicate_of(own).kind() == handle_kind::tcp_socket);
  CHECK(own.is_open());
}

TEST_CASE("a connection gives its socket away and ends its lease")
{
  struct counting final : cohort::detail::lessor {
    void lease_ended() noexcept override { ++ended; }
    int ended = 0;
  };
  const auto lessor = std::make_shared<counting>();
  asio::io_context context;
  local::stream_protocol::socket peer(context), socket(context);
  local::connect_pair(peer, socket);
  const int number = socket.native_handle();
  cohort::connection<local::stream_protocol> own(std::move(socket), cohort::detail::lease(lessor));
  handle owner(std::move(own));
  CHECK(lessor->ended == 1);
  CHECK(!own.is_open());
  CHECK(owner.native_handle() == number);
  CHECK(owner.kind() == handle_kind::unix_stream);
  // It was not shut down.
  auto back = owner.to<local::stream_protocol::socket>(context);
  asio::write(back, asio::buffer("x", 1));
  std::array<char, 1> data;
  CHECK(asio::read(peer, asio::buffer(data)) == 1);

  std::error_code error;
  CHECK(!handle(std::move(own), error));
  CHECK(error == std::errc::bad_file_descriptor);
}

TEST_CASE("an adopted descriptor is closed with its handle, or given back")
{
  for (const handle_kind kind : all_kinds) {
    CAPTURE(name(kind));
    int number = make(kind).release();
    {
      handle owner = handle::adopt(number);
      CHECK(owner.kind() == kind);
      CHECK(owner.native_handle() == number);
    }
    CHECK(!is_open(number));
    number = make(kind).release();
    handle owner = handle::adopt(number);
    CHECK(owner.release() == number);
    CHECK(!owner);
    CHECK(owner.kind() == handle_kind::none);
    const unique_fd given_back(number);
    CHECK(is_open(number));
  }
  std::error_code error;
  CHECK(!handle::adopt(-1, error));
  CHECK(error == std::errc::bad_file_descriptor);
  CHECK_THROWS_AS(handle::adopt(-1), std::system_error);
}

TEST_CASE("a handle moves, and closes what it had")
{
  handle first = make_handle(handle_kind::pipe);
  const int number = first.native_handle();
  handle second(std::move(first));
  CHECK(!first);
  CHECK(first.kind() == handle_kind::none);
  CHECK(second.native_handle() == number);
  CHECK(second.kind() == handle_kind::pipe);
  handle third = make_handle(handle_kind::memfd);
  const int closed = third.native_handle();
  third = std::move(second);
  CHECK(!is_open(closed));
  CHECK(third.kind() == handle_kind::pipe);
  handle& same = third;
  third = std::move(same);
  CHECK(third.kind() == handle_kind::pipe);
  CHECK(third.native_handle() == number);
  third.close();
  CHECK(!is_open(number));
  CHECK(third.kind() == handle_kind::none);
}

TEST_CASE("what Asio refuses leaves the handle as it was")
{
  asio::io_context context;
  stream_descriptor registered(context, make_pipe().first.release());
  const int number = registered.native_handle();
  // The same number twice in one context.
  handle second = handle::adopt(number);
  std::error_code error;
  CHECK(!second.to<stream_descriptor>(context, error).is_open());
  CHECK(error.value() == EEXIST);
  CHECK(second.kind() == handle_kind::pipe);
  CHECK(second.native_handle() == number);
  CHECK_THROWS_AS(second.to<stream_descriptor>(context), std::system_error);
  CHECK(second.release() == number);
}

#if defined(ASIO_HAS_PIPE)
TEST_CASE("a pipe has two ends")
{
  asio::io_context context;
  auto [reading, writing] = make_pipe();
  handle in = handle::adopt(reading.release()), out = handle::adopt(writing.release());
  std::error_code error;
  CHECK(!in.to<asio::writable_pipe>(context, error).is_open());
  CHECK(error == cohort::error::wrong_handle);
  CHECK(!out.to<asio::readable_pipe>(context, error).is_open());
  CHECK(error == cohort::error::wrong_handle);
  auto source = in.to<asio::readable_pipe>(context);
  auto sink = out.to<asio::writable_pipe>(context);
  asio::write(sink, asio::buffer("x", 1));
  std::array<char, 1> data;
  CHECK(asio::read(source, asio::buffer(data)) == 1);

  CHECK(handle::duplicate_of(source).kind() == handle_kind::pipe);
  check_pipe(std::move(source));
  check_pipe(std::move(sink));
}
#endif

TEST_CASE("some devices cannot be waited for, and say so")
{
  asio::io_context context;
  handle owner = make_handle(handle_kind::device);
  auto null = owner.to<stream_descriptor>(context);
  std::array<char, 1> data;
  std::error_code seen;
  null.async_read_some(
      asio::buffer(data), [&](std::error_code error, std::size_t) { seen = error; });
  context.run_for(std::chrono::seconds(10));
  CHECK(seen != std::error_code());
}

TEST_CASE("unsupported kinds and channel ends are not sendable")
{
  CHECK(handle().sendable() == cohort::error::wrong_handle);
  for (const handle_kind kind : all_kinds) {
    CAPTURE(name(kind));
    const auto refused = make_handle(kind).sendable();
    if (kind == handle_kind::unsupported) CHECK(refused == cohort::error::wrong_handle);
    else CHECK(!refused);
  }

  std::error_code ec;
  auto [end, other] = posix::stream_pair(ec);
  const handle channel = handle::duplicate_of(end.get());
  const handle innocent = handle::duplicate_of(other.get());
  CHECK(!channel.sendable());
  {
    const posix::channel_mark mark(end.get(), ec);
    CHECK(channel.sendable() == cohort::error::wrong_handle);
    CHECK(channel.duplicate().sendable() == cohort::error::wrong_handle);
    CHECK(!innocent.sendable());
  }
  CHECK(!channel.sendable());
}

TEST_CASE("a descriptor of another process is what it was there")
{
  std::error_code ec;
  const auto [near, far] = posix::stream_pair(ec);
  for (const handle_kind kind : all_kinds) {
    CAPTURE(name(kind));
    const handle sent = make_handle(kind);
    std::byte byte{};
    const iovec part{&byte, 1};
    const int number = sent.native_handle();
    REQUIRE(posix::send_with_fds(near.get(), {&part, 1}, {&number, 1}, ec) == 1);
    posix::fd_sink received;
    REQUIRE(posix::receive_with_fds(far.get(), {&byte, 1}, received, ec).bytes == 1);
    REQUIRE(received.size() == 1);
    const handle taken = handle::adopt(received.front().release());
    CHECK(taken.kind() == kind);
    CHECK(file_of(taken.native_handle()) == file_of(number));
  }
}

} // namespace handle_test
