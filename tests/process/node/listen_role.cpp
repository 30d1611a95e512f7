// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The role "listener": a worker that listens where it is told to. It takes commands as the role
// "server" does, over a unix socket in COHORT_TEST_CONTROL. A client sends a line "ID VERB" and
// gets "ID WORKER PID"; a datagram comes back with "WORKER " before it.
//
// SPEC is a `listen_spec`, whose host may also be "any", "fd" (the port is a descriptor of the
// primary), "unixfd" for one of a Unix socket, or "unix:@NAME" for an abstract name; behind "udp:"
// it is bound for datagrams. Commands, each with one line of answer:
//
//   listen SPEC [& SPEC]...   all at the same time; for each "ok WHERE" or "error CATEGORY MESSAGE"
//   abandon SPEC              the same, cancelled at once
//   flash SPEC                the same, closed inside the completion
//   reopen N SPEC             closes the n-th place and listens anew without waiting
//   close N, where N
//   received N                how many datagrams have come there
//   send N PORT COUNT         so many datagrams from there to the local port
//   plain                     the port of a plain UDP socket, which is kept
//   adopt                     adopts the TCP listener that comes with the next message
//   data N                    the data that all share there
//   live                      how many connections are
//   leave, draining, descriptors

#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include "support/listen_spec.hpp"
#include "support/scratch.hpp"
#include "support/worker_roles.hpp"

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace node_listen_role {

using asio::awaitable;
using asio::ip::tcp;
using asio::ip::udp;
using cohort_test::listen_spec;
using cohort_test::variable;
using local = asio::local::stream_protocol;

template <class Endpoint>
std::string text_of(const Endpoint& where)
{
  std::ostringstream text;
  text << where;
  std::string result = text.str();
  if (!result.empty() && result.front() == '\0') result.front() = '@';
  return result;
}

/// Something that listens or is bound.
struct place {
  virtual ~place() = default;
  virtual void close() = 0;
  virtual std::string where() = 0;
  virtual std::string data() = 0;
  virtual cohort::bound_socket<udp>* datagrams() { return nullptr; }
  std::size_t received = 0;
};

template <class Protocol>
struct acceptor_place final : place {
  explicit acceptor_place(cohort::acceptor<Protocol> made) : acceptor(std::move(made)) {}
  void close() override { acceptor.close(); }
  std::string where() override
  {
    const std::string path = acceptor.path();
    return path.starts_with('/') ? path : text_of(acceptor.local_endpoint());
  }
  std::string data() override { return acceptor.shared_data(); }
  cohort::acceptor<Protocol> acceptor;
};

struct datagram_place final : place {
  explicit datagram_place(cohort::bound_socket<udp> made) : socket(std::move(made)) {}
  void close() override { socket.close(); }
  std::string where() override { return text_of(socket.local_endpoint()); }
  cohort::bound_socket<udp>* datagrams() override { return &socket; }
  std::string data() override { return socket.shared_data(); }
  cohort::bound_socket<udp> socket;
};

/// Counts itself while it is there.
class counted {
public:
  explicit counted(std::size_t& number) : number_(number) { ++number_; }
  ~counted() { --number_; }
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;

private:
  std::size_t& number_;
};

/// A listen that is under way.
struct attempt {
  explicit attempt(asio::io_context& context) : done(context)
  {
    done.expires_at(asio::steady_timer::time_point::max());
  }
  asio::steady_timer done;
  asio::cancellation_signal abandon;
  bool close_at_once = false;
  std::optional<std::string> result;
};
using attempt_pointer = std::shared_ptr<attempt>;

class listening_worker {
public:
  listening_worker() : control_(context_), self_((open_control(), context_)) {}

  int run()
  {
    self_.left([this](std::error_code) {
      std::error_code ignored;
      control_.close(ignored);
      plain_.clear();
    });
    context_.run();
    return 0;
  }

private:
  void open_control()
  {
    const local::endpoint where(
        variable("COHORT_TEST_CONTROL") + '/' + variable("COHORT_WORKER_ID"));
    control_.open();
    control_.bind(where);
    control_.listen();
    spawn(take_commands());
  }

  /// A task ends with its first error.
  void spawn(awaitable<void> task)
  {
    asio::co_spawn(context_, std::move(task), [](std::exception_ptr) {});
  }

  // Listening.

  template <class Handler>
  static auto cancellable(attempt_pointer made, Handler handler)
  {
    return asio::bind_cancellation_slot(made->abandon.slot(), std::move(handler));
  }

  auto note_listen(attempt_pointer made)
  {
    return [this, made](std::error_code error, auto acceptor) {
      if (!error) accept_on(std::move(acceptor));
      finish(*made, error);
    };
  }

  attempt_pointer begin(std::string text)
  {
    auto made = std::make_shared<attempt>(context_);
    const bool datagrams = text.starts_with("udp:");
    if (datagrams) text.erase(0, 4);
    const listen_spec spec(text);
    const cohort::inherited_fd from(spec.port);
    if (datagrams && spec.host == "fd") bind_at(from, spec, made);
    else if (datagrams)
      bind_at(udp::endpoint(asio::ip::make_address(spec.host), spec.port), spec, made);
    else if (spec.host == "fd")
      self_.listen<tcp>(from, spec.options, cancellable(made, note_listen(made)));
    else if (spec.host == "unixfd")
      self_.listen<local>(from, spec.options, cancellable(made, note_listen(made)));
    else if (spec.is_unix_path) listen_at(cohort::unix_path(spec.host), spec, made);
    else if (spec.is_path) listen_at(path_of(spec.host), spec, made);
    else if (spec.host == "any") listen_at(cohort::any_host(spec.port), spec, made);
    else listen_at(tcp::endpoint(asio::ip::make_address(spec.host), spec.port), spec, made);
    return made;
  }

  static local::endpoint path_of(std::string path)
  {
    if (path.front() == '@') path.front() = '\0';
    return local::endpoint(path);
  }

  template <class Where>
  void listen_at(const Where& where, const listen_spec& spec, attempt_pointer made)
  {
    self_.listen(where, spec.options, cancellable(made, note_listen(made)));
  }

  template <class Where>
  void bind_at(const Where& where, const listen_spec& spec, attempt_pointer made)
  {
    const auto note = [this, made](std::error_code error, auto socket) {
      if (!error) receive_on(std::move(socket));
      finish(*made, error);
    };
    self_.bind(where, spec.options, cancellable(made, note));
  }

  awaitable<std::string> adopt_next()
  {
    auto envelope = co_await self_.receive();
    std::error_code error;
    auto acceptor =
        self_.adopt<tcp>(std::move(envelope.handles.front()), cohort::listen_options(), error);
    attempt result(context_);
    if (!error) accept_on(std::move(acceptor));
    finish(result, error);
    co_return *result.result;
  }

  void finish(attempt& made, std::error_code error)
  {
    made.result = error ? "error " + std::string(error.category().name()) + ' ' + error.message()
                        : "ok " + places_.back()->where();
    if (!error && made.close_at_once) places_.back()->close();
    made.done.cancel();
  }

  template <class Protocol>
  void accept_on(cohort::acceptor<Protocol> acceptor)
  {
    auto added = std::make_shared<acceptor_place<Protocol>>(std::move(acceptor));
    places_.push_back(added);
    spawn(accept_all(added));
  }

  void receive_on(cohort::bound_socket<udp> socket)
  {
    auto added = std::make_shared<datagram_place>(std::move(socket));
    places_.push_back(added);
    spawn(echo_all(added));
  }

  // Serving.

  template <class Place>
  awaitable<void> accept_all(std::shared_ptr<Place> from)
  {
    for (;;) {
      auto client = co_await from->acceptor.async_accept();
      spawn(answer(std::move(client)));
    }
  }

  template <class Connection>
  awaitable<void> answer(Connection client)
  {
    const counted one(live_);
    std::string line;
    auto buffer = asio::dynamic_buffer(line);
    co_await asio::async_read_until(client, buffer, '\n', asio::use_awaitable);
    std::string reply = line.substr(0, line.find(' ')) + ' ' + std::to_string(self_.id()) + ' ' +
                        std::to_string(::getpid()) + '\n';
    co_await asio::async_write(client, asio::buffer(reply), asio::use_awaitable);
  }

  awaitable<void> echo_all(std::shared_ptr<datagram_place> from)
  {
    std::array<char, 1500> data;
    udp::endpoint sender;
    for (;;) {
      const std::size_t size = co_await from->socket.async_receive_from(asio::buffer(data), sender);
      ++from->received;
      const std::string reply = std::to_string(self_.id()) + ' ' + std::string(data.data(), size);
      co_await from->socket.async_send_to(asio::buffer(reply), sender);
    }
  }

  // Commands.

  awaitable<void> take_commands()
  {
    for (;;) {
      local::socket socket = co_await control_.async_accept(asio::use_awaitable);
      spawn(take_command(std::move(socket)));
    }
  }

  awaitable<void> take_command(local::socket socket)
  {
    std::string line;
    auto buffer = asio::dynamic_buffer(line);
    co_await asio::async_read_until(socket, buffer, '\n', asio::use_awaitable);
    line.pop_back();
    std::string reply = co_await carry_out(line);
    reply += '\n';
    co_await asio::async_write(socket, asio::buffer(reply), asio::use_awaitable);
  }

  awaitable<std::string> result_of(attempt_pointer made)
  {
    std::error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    if (!made->result) co_await made->done.async_wait(token);
    co_return *made->result;
  }

  awaitable<std::string> listen_all(std::string specs)
  {
    std::vector<attempt_pointer> begun;
    for (std::size_t end = 0; end != specs.npos;) {
      end = specs.find(" & ");
      begun.push_back(begin(specs.substr(0, end)));
      if (end != specs.npos) specs.erase(0, end + 3);
    }
    std::string results;
    for (attempt_pointer& each : begun) {
      const std::string one = co_await result_of(each);
      results += (results.empty() ? "" : " & ") + one;
    }
    co_return results;
  }

  awaitable<std::string> carry_out(std::string line)
  {
    std::istringstream words(line);
    std::string verb, rest;
    std::size_t number = 0;
    words >> verb;
    if (verb == "listen" || verb == "abandon" || verb == "flash") {
      std::getline(words >> std::ws, rest);
      if (verb == "listen") co_return co_await listen_all(rest);
      attempt_pointer begun = begin(rest);
      if (verb == "abandon") begun->abandon.emit(asio::cancellation_type::total);
      else begun->close_at_once = true;
      co_return co_await result_of(begun);
    }
    if (verb == "adopt") co_return co_await adopt_next();
    if (verb == "leave") {
      self_.disconnect([](std::error_code) {});
      co_return "ok";
    }
    if (verb == "live") co_return std::to_string(live_);
    if (verb == "draining") co_return self_.draining() ? "yes" : "no";
    if (verb == "descriptors") co_return std::to_string(cohort_test::count_descriptors());
    if (verb == "plain") {
      plain_.emplace_back(context_, udp::endpoint(asio::ip::address_v4::loopback(), 0));
      co_return std::to_string(plain_.back().local_endpoint().port());
    }
    if (!(words >> number) || number >= places_.size()) co_return "no such command";
    place& one = *places_[number];
    if (verb == "where") co_return one.where();
    if (verb == "data") co_return one.data();
    if (verb == "received") co_return std::to_string(one.received);
    if (verb == "close") one.close();
    if (verb == "reopen") {
      one.close();
      std::getline(words >> std::ws, rest);
      co_return co_await listen_all(rest);
    }
    if (verb == "send") {
      std::uint16_t port = 0;
      int count = 0;
      words >> port >> count;
      const udp::endpoint there(asio::ip::address_v4::loopback(), port);
      for (int i = 0; i != count; ++i)
        co_await one.datagrams()->async_send_to(asio::buffer("hello", 5), there);
    }
    co_return "ok";
  }

  asio::io_context context_{1};
  local::acceptor control_;
  cohort::this_worker self_;
  std::vector<std::shared_ptr<place>> places_;
  std::vector<udp::socket> plain_;
  std::size_t live_ = 0;
};

COHORT_TEST_WORKER_ROLE(listener)
{
  listening_worker one;
  return one.run();
}

} // namespace node_listen_role
