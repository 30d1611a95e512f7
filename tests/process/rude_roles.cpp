// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers that do not behave, and the role that says what it was started with:
//
//   mute      never says hello
//   violator  says hello, listens, is offered connections, and then what COHORT_TEST_VIOLATION
//             names, see `violate`; with COHORT_TEST_WAIT not before SIGUSR1
//   deserter  closes its control channel without a word and lives on
//   report    writes its arguments, directory and environment to COHORT_TEST_REPORT, and ends

#include <cohort/detail/posix/role.hpp>
#include <cohort/detail/wire/control.hpp>

#include "support/scratch.hpp"
#include "support/worker_roles.hpp"

#include <array>
#include <asio/ip/tcp.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace rude_roles {

namespace {

namespace posix = cohort::detail::posix;
namespace wire = cohort::detail::wire;

[[noreturn]] void wait_for_the_end()
{
  for (;;) ::pause();
}

// A control channel without the library's care.
class bare_channel {
public:
  bare_channel() : socket_(posix::role().control) {}

  template <class Message>
  void send(const Message& message) const
  {
    write(wire::control_frame(message).bytes());
  }

  void write(std::span<const std::byte> bytes) const
  {
    if (::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) std::exit(99);
  }

  // Asks and asks, and reads no answer.
  [[noreturn]] void ask_for_ever() const
  {
    const wire::control_frame question(wire::listen{});
    const auto bytes = question.bytes();
    for (std::size_t sent = 0;; sent %= bytes.size()) {
      const auto size = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (size > 0) sent += static_cast<std::size_t>(size);
      else if (errno != EAGAIN) wait_for_the_end();
      pollfd waiting{socket_, POLLOUT, 0};
      ::poll(&waiting, 1, -1);
    }
  }

  void hello() const { send(wire::hello()); }

  void listen() const
  {
    wire::listen message;
    message.request = 1;
    message.backlog = 100;
    std::error_code error;
    const auto where = posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
    message.address = wire::address_bytes(where.bytes());
    send(message);
    listener_ = wait_for_reply().listener;
    send(wire::listening{listener_});
    wire::credit credit;
    credit.listener = listener_;
    credit.window = 4;
    send(credit);
  }

  std::uint32_t listener() const { return listener_; }

  // Waits until four connections are on offer; none is answered.
  std::uint64_t wait_for_offers() const
  {
    std::uint64_t first = 0;
    for (std::size_t offered = 0; offered != 4;)
      read([&](const auto& message) {
        if constexpr (std::is_same_v<decltype(message), const wire::offer&>) {
          if (offered == 0) first = message.first;
          offered += message.count;
        }
      });
    return first;
  }

private:
  wire::listen_reply wait_for_reply() const
  {
    wire::listen_reply reply;
    while (reply.request == 0)
      read([&](const auto& message) {
        if constexpr (std::is_same_v<decltype(message), const wire::listen_reply&>) reply = message;
      });
    return reply;
  }

  template <class Visitor>
  void read(Visitor visitor) const
  {
    std::error_code error;
    for (;;) {
      const auto frame = decoder_.next(error);
      if (frame) return wire::visit_from_primary(*frame, visitor, error);
      const auto space = decoder_.prepare(4096);
      iovec part{space.data(), space.size()};
      alignas(cmsghdr) std::array<char, 1024> control;
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      // The descriptors stay open until the end of the process.
      const auto size = ::recvmsg(socket_, &message, 0);
      if (size > 0) {
        decoder_.commit(static_cast<std::size_t>(size));
        continue;
      }
      if (size == 0 || errno != EAGAIN) std::exit(98);
      pollfd waiting{socket_, POLLIN, 0};
      ::poll(&waiting, 1, -1);
    }
  }

  int socket_;
  mutable std::uint32_t listener_ = 0;
  mutable wire::frame_decoder decoder_{wire::max_control_payload};
};

std::vector<std::byte> raw_header(
    std::uint32_t length, std::uint16_t type, std::uint8_t descriptors)
{
  std::vector<std::byte> bytes(wire::header_size);
  wire::frame_header header;
  header.length = length;
  header.type = type;
  header.descriptors = descriptors;
  wire::encode_header(
      header, std::span<std::byte, wire::header_size>(bytes.data(), wire::header_size));
  return bytes;
}

void violate(const std::string& how, const bare_channel& channel, std::uint64_t first)
{
  wire::taken taken;
  taken.listener = channel.listener();
  taken.first = first;
  taken.count = 1;
  if (how == "unknown type") channel.write(raw_header(0, 4711, 0));
  else if (how == "type of the primary") channel.send(wire::drain());
  else if (how == "oversized") channel.write(raw_header(1U << 30, 2, 0));
  else if (how == "descriptors") channel.write(raw_header(0, 8, 3));
  else if (how == "short payload") channel.write(raw_header(0, 5, 0));
  else if (how == "garbage") channel.write(std::vector<std::byte>(4096, std::byte(0xa5)));
  else if (how == "second hello") channel.hello();
  else if (how == "ack of nothing") taken.first = first + 1000, channel.send(taken);
  else if (how == "ack of too much") taken.count = 100, channel.send(taken);
  else if (how == "ack twice") channel.send(taken), channel.send(taken);
  else if (how == "ack elsewhere") taken.listener = 4711, channel.send(taken);
  else if (how == "released nothing") {
    wire::released released;
    released.listener = channel.listener();
    released.count = 5;
    channel.send(released);
  } else if (how == "bye at once") channel.send(wire::bye());
  else if (how == "leaving twice") channel.send(wire::leaving()), channel.send(wire::leaving());
  else if (how == "deaf") channel.send(wire::leaving()), channel.ask_for_ever();
  else std::exit(97);
}

COHORT_TEST_WORKER_ROLE(mute) { wait_for_the_end(); }

COHORT_TEST_WORKER_ROLE(violator)
{
  const std::string how = std::getenv("COHORT_TEST_VIOLATION");
  sigset_t usr1;
  ::sigemptyset(&usr1);
  ::sigaddset(&usr1, SIGUSR1);
  ::sigprocmask(SIG_BLOCK, &usr1, nullptr);
  const bare_channel channel;
  if (how == "no hello") {
    channel.send(wire::leaving());
  } else if (how == "another version") {
    wire::hello hello;
    hello.protocol = 4711;
    channel.send(hello);
  } else {
    channel.hello();
    channel.listen();
    const std::uint64_t first = channel.wait_for_offers();
    int number = 0;
    if (std::getenv("COHORT_TEST_WAIT")) ::sigwait(&usr1, &number);
    violate(how, channel, first);
  }
  wait_for_the_end();
}

COHORT_TEST_WORKER_ROLE(deserter)
{
  const bare_channel channel;
  channel.hello();
  channel.listen();
  channel.wait_for_offers();
  ::close(posix::role().control);
  ::close(posix::role().messages);
  wait_for_the_end();
}

COHORT_TEST_WORKER_ROLE(report)
{
  const std::string path = std::getenv("COHORT_TEST_REPORT");
  std::ofstream file(path + ".new");
  for (int i = 1; i < argc; ++i) file << "argument " << argv[i] << '\n';
  file << "directory " << std::filesystem::current_path().string() << '\n';
  for (const std::string_view each : posix::environment_entries())
    file << "variable " << each << '\n';
  file << "descriptors " << cohort_test::count_descriptors() - 1 << '\n';
  for (const int number : {0, 1, 2}) {
    std::error_code error;
    file << "stream " << number << ' '
         << std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(number), error).string()
         << '\n';
  }
  file.close();
  std::filesystem::rename(path + ".new", path);
  return 0;
}

} // namespace

} // namespace rude_roles
