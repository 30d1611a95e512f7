// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The role "server": a worker that answers "ID VERB" lines with "ID WORKER PID", and is told over a
// unix socket of its own what else to do. Its environment:
//
//   COHORT_TEST_LISTEN    where and how, see `listen_spec`; nothing when empty
//   COHORT_TEST_CONTROL   directory of the socket for commands, named like the worker's id
//   COHORT_TEST_LOG       file that gets "ID PID" for every request before it is answered
//   COHORT_TEST_POLITE    connections that are idle end when the drain begins
//   COHORT_TEST_LOST      "drain": what happens when the primary is lost
//   COHORT_TEST_IGNORE_TERM
//
// Verbs of a connection: get (answer and close), keep (answer, the next request may follow), late
// (answer when one more line has come), give_away (answer, and keep the socket without its lease),
// crash, exit. Commands: see `serving_worker::carry_out`.

#include <cohort/acceptor.hpp>
#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include "support/listen_spec.hpp"
#include "support/scratch.hpp"
#include "support/worker_roles.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace server_role {

namespace {

using asio::awaitable;
using asio::ip::tcp;
using cohort_test::listen_spec;
using cohort_test::variable;
using local = asio::local::stream_protocol;

/// One acceptor, whatever its protocol.
struct listening {
  virtual ~listening() = default;
  virtual void accept(unsigned more) = 0;
  virtual void cancel() = 0;
  virtual void close() = 0;
  virtual void drop() = 0;
  virtual void max(std::size_t maximum) = 0;
  virtual std::string where() = 0;
  /// The error with which the last accept loop ended.
  std::string ended = "not ended";
};

class serving_worker;

template <class Protocol>
class listening_on final : public listening,
                           public std::enable_shared_from_this<listening_on<Protocol>> {
public:
  listening_on(serving_worker& owner, cohort::acceptor<Protocol> acceptor)
      : owner_(owner),
        acceptor_(std::move(acceptor))
  {
  }

  void accept(unsigned more) override;
  void cancel() override { acceptor_.cancel(); }
  void close() override { acceptor_.close(); }
  void drop() override { [[maybe_unused]] const auto dropped = std::move(acceptor_); }
  void max(std::size_t maximum) override { acceptor_.max_connections(maximum); }
  std::string where() override
  {
    std::ostringstream text;
    text << acceptor_.local_endpoint();
    return text.str();
  }

private:
  awaitable<void> loop();

  serving_worker& owner_;
  cohort::acceptor<Protocol> acceptor_;
  unsigned wanted_ = 0;
  bool running_ = false;
};

class serving_worker {
public:
  serving_worker() : control_(context_), self_((open_control(), context_)) {}

  int run()
  {
    if (variable("COHORT_TEST_LOST") == "drain")
      self_.set_on_primary_lost(cohort::on_primary_lost::drain);
    if (!variable("COHORT_TEST_IGNORE_TERM").empty()) std::signal(SIGTERM, SIG_IGN);
    if (const std::string path = variable("COHORT_TEST_LOG"); !path.empty())
      log_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    spawn(begin());
    spawn(watch_drain());
    self_.left([this](std::error_code) {
      std::error_code ignored;
      control_.close(ignored);
    });
    context_.run();
    return 0;
  }

  /// A connection ends with the first error.
  void spawn(awaitable<void> task)
  {
    asio::co_spawn(context_, std::move(task), [](std::exception_ptr) {});
  }

  template <class Connection>
  awaitable<void> talk(Connection client);

private:
  void open_control()
  {
    const std::string directory = variable("COHORT_TEST_CONTROL");
    if (directory.empty()) return;
    const local::endpoint where(directory + '/' + variable("COHORT_WORKER_ID"));
    control_.open();
    control_.bind(where);
    control_.listen();
    spawn(take_commands());
  }

  awaitable<void> begin()
  {
    const std::string spec = variable("COHORT_TEST_LISTEN");
    if (!spec.empty()) co_await listen(spec);
  }

  awaitable<std::string> listen(std::string text)
  {
    const listen_spec spec(text);
    if (spec.is_path) {
      std::string path = spec.host;
      co_return co_await listen_at(local::endpoint(path), spec);
    }
    const tcp::endpoint endpoint(asio::ip::make_address(spec.host), spec.port);
    co_return co_await listen_at(endpoint, spec);
  }

  template <class Endpoint>
  awaitable<std::string> listen_at(Endpoint endpoint, listen_spec spec)
  {
    using protocol = typename Endpoint::protocol_type;
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    auto acceptor = co_await self_.listen(endpoint, spec.options, token);
    if (error) co_return "error " + std::string(error.category().name()) + ' ' + error.message();
    auto added = std::make_shared<listening_on<protocol>>(*this, std::move(acceptor));
    listening_.push_back(added);
    if (spec.max != 1U << 30) added->max(spec.max);
    if (spec.accept != 0) added->accept(spec.accept);
    co_return "ok " + added->where();
  }

  awaitable<void> watch_drain()
  {
    co_await self_.drain_requested();
    if (variable("COHORT_TEST_POLITE").empty()) co_return;
    for (const int socket : idle_) ::shutdown(socket, SHUT_RD);
  }

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

  awaitable<std::string> carry_out(std::string line)
  {
    std::istringstream words(line);
    std::string verb;
    std::size_t number = 0;
    words >> verb;
    if (verb == "listen") {
      std::string spec;
      std::getline(words >> std::ws, spec);
      co_return co_await listen(spec);
    }
    if (verb == "leave") {
      self_.disconnect([](std::error_code) {});
      co_return "ok";
    }
    if (verb == "load") {
      words >> number;
      self_.report_load(static_cast<std::uint32_t>(number));
      co_return "ok";
    }
    if (verb == "draining") co_return self_.draining() ? "yes" : "no";
    if (verb == "served") co_return std::to_string(served_);
    if (verb == "descriptors") co_return std::to_string(cohort_test::count_descriptors());
    if (verb == "exit") std::exit(7);
    if (!(words >> number) || number >= listening_.size()) co_return "no such command";
    listening& one = *listening_[number];
    words >> number;
    if (verb == "accept") one.accept(static_cast<unsigned>(number));
    else if (verb == "max") one.max(number);
    else if (verb == "cancel") one.cancel();
    else if (verb == "close") one.close();
    else if (verb == "drop") one.drop();
    else if (verb == "ended") co_return one.ended;
    else if (verb == "where") co_return one.where();
    co_return "ok";
  }

  // Notes the request and composes the answer; `words` goes on with the verb.
  std::string answer_to(std::istringstream& words)
  {
    std::string id;
    words >> id;
    if (log_ != -1) {
      // Of a size that pages are multiples of: a kill may tear what crosses the end of one.
      std::string entry = id + ' ' + std::to_string(::getpid());
      entry.resize(31, ' ');
      entry += '\n';
      [[maybe_unused]] const auto written = ::write(log_, entry.data(), entry.size());
    }
    ++served_;
    return id + ' ' + std::to_string(self_.id()) + ' ' + std::to_string(::getpid()) + '\n';
  }

  asio::io_context context_{1};
  local::acceptor control_;
  cohort::this_worker self_;
  std::vector<std::shared_ptr<listening>> listening_;
  std::set<int> idle_;
  std::size_t served_ = 0;
  int log_ = -1;
};

template <class Connection>
awaitable<void> serving_worker::talk(Connection client)
{
  std::string received;
  auto buffer = asio::dynamic_buffer(received);
  for (;;) {
    idle_.insert(client.socket().native_handle());
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    const std::size_t size = co_await asio::async_read_until(client, buffer, '\n', token);
    idle_.erase(client.socket().native_handle());
    if (error) co_return;
    std::istringstream words(received.substr(0, size));
    buffer.consume(size);
    const std::string reply = answer_to(words);
    std::string verb;
    words >> verb;
    if (verb == "crash") std::abort();
    if (verb == "exit") std::exit(7);
    if (verb == "late") {
      const std::size_t more =
          co_await asio::async_read_until(client, buffer, '\n', asio::use_awaitable);
      buffer.consume(more);
    }
    if (verb == "give_away") {
      auto socket = client.release();
      co_await asio::async_write(socket, asio::buffer(reply), asio::use_awaitable);
      co_await socket.async_wait(socket.wait_read, asio::use_awaitable);
      co_return;
    }
    co_await asio::async_write(client, asio::buffer(reply), asio::use_awaitable);
    if (verb == "get") co_return;
  }
}

template <class Protocol>
void listening_on<Protocol>::accept(unsigned more)
{
  wanted_ += more;
  if (running_) return;
  running_ = true;
  owner_.spawn(loop());
}

template <class Protocol>
awaitable<void> listening_on<Protocol>::loop()
{
  const auto alive = this->shared_from_this();
  while (wanted_ != 0) {
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    auto client = co_await acceptor_.async_accept(token);
    if (error) {
      ended = error.message();
      break;
    }
    --wanted_;
    owner_.spawn(owner_.talk(std::move(client)));
  }
  running_ = false;
}

COHORT_TEST_WORKER_ROLE(server)
{
  serving_worker one;
  return one.run();
}

} // namespace

} // namespace server_role
