// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The workers of the tests after Node's own:
//
//   node_json      carries out orders, see `talker::carry_out`, and sends back everything else
//   node_binary    sends back `nested` messages; tells of problems in the `leaves` of another one
//   node_deaf      receives nothing
//   node_bytewise  writes a message byte by byte, each when the one before it was read

#include <cohort/acceptor.hpp>
#include <cohort/message/json.hpp>
#include <cohort/message_channel.hpp>
#include <cohort/this_worker.hpp>

#include "support/job_protocol.hpp"
#include "support/node_orders.hpp"
#include "support/worker_roles.hpp"

#include <array>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/local/connect_pair.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <cstdio>
#include <cstdlib>
#include <linux/sockios.h>
#include <list>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace node_roles {

using namespace cohort_test::node;
using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using asio::ip::udp;
using local = asio::local::stream_protocol;
using cohort_test::variable;
namespace json = boost::json;

// What a child of this process finds in its environment.
std::string environment_of_child()
{
  std::string text;
  FILE* const output = ::popen("/usr/bin/env", "re");
  if (!output) return text;
  std::array<char, 4096> part;
  for (std::size_t size = 1; size != 0;) {
    size = std::fread(part.data(), 1, part.size(), output);
    text.append(part.data(), size);
  }
  ::pclose(output);
  return text;
}

template <class Socket>
awaitable<void> echo_line(Socket socket)
{
  std::string line;
  co_await asio::async_read_until(socket, asio::dynamic_buffer(line), '\n', use_awaitable);
  line = "echo " + line;
  co_await asio::async_write(socket, asio::buffer(line), use_awaitable);
}

class talker {
public:
  int run()
  {
    asio::co_spawn(context_, listen_to_orders(), asio::detached);
    context_.run();
    return EXIT_SUCCESS;
  }

private:
  awaitable<void> listen_to_orders()
  {
    std::error_code end;
    for (;;) {
      auto next = co_await self_.receive(redirect_error(use_awaitable, end));
      if (end) co_return;
      const json::object* const found = next.message.if_object();
      if (!found || !found->contains("do")) {
        self_.send(std::move(next.message), std::move(next.handles));
        continue;
      }
      const json::object order = *found;
      // An order that fails is the test's to miss.
      asio::co_spawn(context_, carry_out(order, std::move(next.handles)), asio::detached);
    }
  }

  awaitable<void> carry_out(json::object order, std::vector<cohort::handle> handles)
  {
    const std::string what(order.at("do").as_string());
    if (what == "tell environment") self_.send(json::value(environment_of_child()));
    else if (what == "tell state") tell_state();
    else if (what == "exit") std::exit(number_of(order));
    else if (what == "leave") self_.disconnect(asio::detached);
    else if (what == "exit when it has left") exit_when_left(number_of(order));
    else if (what == "send burst") send_burst();
    else if (what == "send files") send_files(number_of(order));
    else if (what == "send twice") send_twice();
    else if (what == "last words") co_await last_words();
    else if (what == "listen") co_await listen();
    else if (what == "send socket") co_await send_socket(number_of(order));
    else if (what == "serve socket") co_await echo_line(handles.at(0).to<tcp::socket>(context_));
    else if (what == "serve acceptor") co_await serve(std::move(handles.at(0)));
    else if (what == "receive datagram") co_await receive_datagram(std::move(handles.at(0)));
  }

  static int number_of(const json::object& order)
  {
    return static_cast<int>(order.at("with").as_int64());
  }

  void tell_state()
  {
    json::object state;
    state["id"] = self_.id();
    state["process"] = ::getpid();
    state["connected"] = self_.is_connected();
    self_.send(state);
  }

  void exit_when_left(int code)
  {
    self_.left([this, code](std::error_code) { std::exit(self_.is_connected() ? 1 : code); });
    self_.send("it will");
  }

  void send_burst()
  {
    self_.send("one");
    self_.send("two", cohort_test::jobs::numbered_file(2));
    self_.send("three");
  }

  void send_files(int count)
  {
    for (int i = 0; i != count; ++i)
      self_.send(i, cohort_test::jobs::numbered_file(static_cast<std::uint64_t>(i)));
  }

  void send_twice()
  {
    tcp::socket socket(context_, tcp::v4());
    self_.send("first", cohort::handle(std::move(socket)));
    std::error_code error;
    const cohort::handle second(std::move(socket), error);
    self_.send(json::value(error == std::errc::bad_file_descriptor ? "refused" : "sent"));
  }

  awaitable<void> last_words()
  {
    self_.send("last words");
    co_await self_.flushed();
    std::exit(3);
  }

  awaitable<void> listen()
  {
    const tcp::endpoint any_port(asio::ip::address_v4::loopback(), 0);
    auto acceptor = co_await self_.listen(any_port);
    self_.send(acceptor.local_endpoint().port());
    listening_.push_back(std::move(acceptor));
  }

  awaitable<void> send_socket(int port)
  {
    tcp::socket socket(context_);
    const tcp::endpoint where(asio::ip::address_v4::loopback(), static_cast<unsigned short>(port));
    co_await socket.async_connect(where, use_awaitable);
    self_.send("a socket", cohort::handle(std::move(socket)));
  }

  awaitable<void> serve(cohort::handle from)
  {
    auto acceptor = from.to<tcp::acceptor>(context_);
    self_.send("it listens");
    tcp::socket client = co_await acceptor.async_accept(use_awaitable);
    co_await echo_line(std::move(client));
  }

  awaitable<void> receive_datagram(cohort::handle from)
  {
    auto socket = from.to<udp::socket>(context_);
    std::array<char, 64> data;
    udp::endpoint sender;
    const std::size_t size =
        co_await socket.async_receive_from(asio::buffer(data), sender, use_awaitable);
    self_.send(json::value(json::string_view(data.data(), size)));
  }

  asio::io_context context_{1};
  cohort::this_worker self_{context_};
  std::list<cohort::acceptor<tcp>> listening_;
};

const cohort_test::worker_role json_role("node_json", [](int, char**) {
  talker one;
  return one.run();
});

const cohort_test::worker_role binary_role("node_binary", [](int, char**) {
  using self_type = cohort::basic_this_worker<binary_protocol>;
  asio::io_context context(1);
  self_type self(context);
  self.on_problem([&](const cohort::channel_problem& found) {
    leaf what;
    what.name = found.code.message();
    nested report;
    report.leaves.push_back(what);
    self.send(report);
  });
  const auto echo = [](self_type& from) -> awaitable<void> {
    std::error_code end;
    for (;;) {
      auto next = co_await from.receive<nested>(redirect_error(use_awaitable, end));
      if (end) co_return;
      from.send(std::move(next.message));
    }
  };
  asio::co_spawn(context, echo(self), asio::detached);
  context.run();
  return EXIT_SUCCESS;
});

const cohort_test::worker_role deaf_role("node_deaf", [](int, char**) {
  asio::io_context context(1);
  cohort::this_worker self(context);
  context.run();
  return EXIT_SUCCESS;
});

// How a message lies in a channel.
std::string bytes_of(const json::value& message)
{
  using value = cohort::untyped<json::value>;
  asio::io_context context(1);
  local::socket near(context);
  local::socket far(context);
  asio::local::connect_pair(near, far);
  {
    cohort::message_channel<value> channel(std::move(near));
    channel.send(message);
    context.run(); // until it is written
  }
  std::string bytes;
  std::error_code end;
  asio::read(far, asio::dynamic_buffer(bytes), end);
  return bytes;
}

const cohort_test::worker_role bytewise_role("node_bytewise", [](int, char**) {
  const int channel = std::atoi(variable("COHORT_MESSAGE_FD").c_str());
  asio::io_context context(1);
  cohort::this_worker self(context);
  context.poll();
  for (const char byte : bytes_of("byte by byte: \u00e4\u20ac")) {
    if (::write(channel, &byte, 1) != 1) return EXIT_FAILURE;
    for (int unread = 1; unread != 0; ::sched_yield())
      if (::ioctl(channel, SIOCOUTQ, &unread) != 0) return EXIT_FAILURE;
  }
  context.run();
  return EXIT_SUCCESS;
});

} // namespace node_roles
