// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/acceptor.hpp>
#include <cohort/connection_scope.hpp>
#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>
#include <cohort/unix_path.hpp>

#include "support/listen_spec.hpp"
#include "support/worker_roles.hpp"

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/socket_base.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <fcntl.h>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

// What a worker does under load, and answers to `load_client`: "ID VERB" lines get "ID WORKER PID
// GENERATION", and "close" behind that when it is the last answer of its connection. Its
// environment:
//
//   COHORT_TEST_LISTEN      where and how, see `listen_spec`
//   COHORT_TEST_LOG         file that gets a line for every request before it is answered, see
//                           `served_requests`
//   COHORT_TEST_GENERATION  what it says of itself, 0 when not said
//   COHORT_TEST_STEPS       graces (of idle and fresh connections) and deadline of the drain, in
//                           milliseconds: "500 1000 10000"
//   COHORT_TEST_LEAK        how many bytes and descriptors it loses with each request: "4096 1"
//
// Verbs: get (answer and close), keep (the next request may follow), slow N (keep, but N
// milliseconds later), flood (an answer without an end), stubborn (no answer, and no end by
// cancellation). What a good server does not do: reset and eof (instead of an answer), half (eof in
// the middle of one), wrong (another id), twice, later (twice, but not at once), never.

namespace cohort_test {

/// The connections of one worker under load.
class load_server {
public:
  explicit load_server(cohort::this_worker& self)
      : self_(self),
        scope_(self, steps()),
        generation_(variable("COHORT_TEST_GENERATION"))
  {
    if (generation_.empty()) generation_ = "0";
    std::istringstream(variable("COHORT_TEST_LEAK")) >> lost_bytes_ >> lost_descriptors_;
    if (const std::string path = variable("COHORT_TEST_LOG"); !path.empty())
      log_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  }
  ~load_server()
  {
    if (log_ != -1) ::close(log_);
    for (const int each : descriptors_) ::close(each);
  }
  load_server(const load_server&) = delete;
  load_server& operator=(const load_server&) = delete;

  /// Listens as the environment says, and serves until the drain and after it.
  asio::awaitable<void> run();
  /// The same at `endpoint`.
  template <class Endpoint>
  asio::awaitable<void> run(Endpoint endpoint, cohort::listen_options options);

  cohort::connection_scope& scope() noexcept { return scope_; }

private:
  template <class Connection>
  asio::awaitable<void> talk(Connection& client, cohort::session session);
  template <class Connection>
  asio::awaitable<bool> misbehave(Connection& client, std::string verb, std::string answer);

  static cohort::drain_steps steps();
  std::string answer_to(const std::string& id, bool last);
  void note(const std::string& id);
  void leak();

  cohort::this_worker& self_;
  cohort::connection_scope scope_;
  std::string generation_;
  int log_ = -1;
  std::size_t lost_bytes_ = 0;
  int lost_descriptors_ = 0;
  std::vector<std::string> bytes_;
  std::vector<int> descriptors_;
};

/// Serves in one worker: the coroutine for `cohort::run`.
inline asio::awaitable<void> serve_load(cohort::this_worker& self)
{
  load_server one(self);
  co_await one.run();
}

// Implementation

inline cohort::drain_steps load_server::steps()
{
  cohort::drain_steps steps;
  std::istringstream words(variable("COHORT_TEST_STEPS"));
  unsigned idle = 0, fresh = 0, deadline = 0;
  if (words >> idle >> fresh >> deadline)
    steps.idle_grace(std::chrono::milliseconds(idle))
        .fresh_grace(std::chrono::milliseconds(fresh))
        .deadline(std::chrono::milliseconds(deadline));
  return steps;
}

inline asio::awaitable<void> load_server::run()
{
  const listen_spec spec(variable("COHORT_TEST_LISTEN"));
  if (spec.is_unix_path) {
    const cohort::unix_path where(spec.host);
    co_await run(where, spec.options);
  } else if (spec.is_path) {
    const asio::local::stream_protocol::endpoint where(spec.host);
    co_await run(where, spec.options);
  } else {
    const asio::ip::tcp::endpoint where(asio::ip::make_address(spec.host), spec.port);
    co_await run(where, spec.options);
  }
}

template <class Endpoint>
asio::awaitable<void> load_server::run(Endpoint endpoint, cohort::listen_options options)
{
  auto acceptor = co_await self_.listen(endpoint, options);
  try {
    for (;;) {
      auto client = co_await acceptor.async_accept();
      scope_.spawn(std::move(client),
          [this](auto& on, cohort::session session) { return this->talk(on, std::move(session)); });
    }
  } catch (const std::system_error& error) {
    if (error.code() != cohort::error::draining) throw;
  }
  co_await scope_.ended();
}

template <class Connection>
asio::awaitable<void> load_server::talk(Connection& client, cohort::session session)
{
  std::string received;
  std::array<char, 512> data;
  for (;;) {
    if (received.empty()) {
      const auto idle = session.idle();
      const std::size_t size = co_await client.async_read_some(asio::buffer(data));
      received.assign(data.data(), size);
    }
    auto end = received.find('\n');
    while (end == received.npos) {
      const std::size_t size = co_await client.async_read_some(asio::buffer(data));
      received.append(data.data(), size);
      end = received.find('\n');
    }
    std::istringstream words(received.substr(0, end));
    received.erase(0, end + 1);
    std::string id, verb;
    unsigned number = 0;
    words >> id >> verb >> number;
    note(id);
    leak();
    if (verb == "slow") {
      asio::steady_timer timer(client.get_executor(), std::chrono::milliseconds(number));
      co_await timer.async_wait(asio::use_awaitable);
    }
    const bool last = verb == "get" || session.closing();
    std::string answer = answer_to(id, last);
    if (verb == "twice") answer += answer;
    if (verb != "get" && verb != "keep" && verb != "slow") {
      const bool over = co_await misbehave(client, verb, answer);
      if (over) co_return;
    }
    co_await asio::async_write(client, asio::buffer(answer), asio::use_awaitable);
    self_.request_done();
    if (last) co_return;
  }
}

template <class Connection>
asio::awaitable<bool> load_server::misbehave(
    Connection& client, std::string verb, std::string answer)
{
  char byte = 0;
  if (verb == "reset") client.socket().set_option(asio::socket_base::linger(true, 0));
  // A socket that is shut down first ends orderly.
  if (verb == "reset") client.socket().close();
  if (verb == "reset" || verb == "eof") co_return true;
  if (verb == "half") {
    co_await asio::async_write(client, asio::buffer(answer, 3), asio::use_awaitable);
    co_return true;
  }
  if (verb == "wrong") {
    const std::string other = '9' + answer;
    co_await asio::async_write(client, asio::buffer(other), asio::use_awaitable);
  }
  if (verb == "stubborn")
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  while (verb == "flood")
    co_await asio::async_write(client, asio::buffer(answer), asio::use_awaitable);
  while (verb == "stubborn" || verb == "never")
    co_await client.async_read_some(asio::buffer(&byte, 1));
  if (verb == "later") {
    co_await asio::async_write(client, asio::buffer(answer), asio::use_awaitable);
    asio::steady_timer timer(client.get_executor(), std::chrono::milliseconds(1));
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return verb == "wrong";
}

inline std::string load_server::answer_to(const std::string& id, bool last)
{
  return id + ' ' + std::to_string(self_.id()) + ' ' + std::to_string(::getpid()) + ' ' +
         generation_ + (last ? " close\n" : "\n");
}

inline void load_server::leak()
{
  if (lost_bytes_ != 0) bytes_.emplace_back(lost_bytes_, 'x');
  for (int i = 0; i != lost_descriptors_; ++i) descriptors_.push_back(::dup(0));
}

inline void load_server::note(const std::string& id)
{
  if (log_ == -1) return;
  // Of a size that pages are multiples of: a kill may tear what crosses the end of one.
  std::string entry = id + ' ' + std::to_string(::getpid());
  entry.resize(31, ' ');
  entry += '\n';
  // A disk that is full shows as requests that nobody has served.
  [[maybe_unused]] const auto written = ::write(log_, entry.data(), entry.size());
}

} // namespace cohort_test
