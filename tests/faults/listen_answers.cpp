// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The answer to a listen that carries a socket, when the kernel does not pass it on: it cannot be
// sent, or the worker has no room for a descriptor.

#include "support/failing_system_calls.hpp"

#include <cohort/detail/core/dispatcher.hpp>
#include <cohort/detail/core/managed_worker.hpp>
#include <cohort/detail/core/self_core.hpp>
#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>

#include <doctest/doctest.h>

#include "support/no_messages.hpp"
#include "support/noted_host.hpp"
#include "support/scratch.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace listen_answers_faults {

using cohort::any_policy;
using cohort::worker_id;
using cohort_test::call;
using cohort_test::count_descriptors;
using cohort_test::faults;
using namespace cohort::detail;
using namespace std::chrono_literals;

namespace {

constexpr worker_id the_worker = 5;

// A cluster with one worker, which notes what is published.
struct answering_cluster {
  using worker_type = managed_worker<answering_cluster>;

  answering_cluster(const asio::any_io_executor& executor, any_policy policy)
      : listeners(executor, *this, std::move(policy))
  {
  }

  dispatcher<any_policy, answering_cluster>& connections() { return listeners; }
  void publish(const any_event& event)
  {
    if (std::holds_alternative<cohort::listening_event>(event)) ++listening;
    if (const auto* failure = std::get_if<cohort::error_event>(&event))
      failures.push_back(failure->code);
  }
  bool relay(worker_id, const wire::message_view&) { return false; }
  void removed(worker_id) {}
  void ended(const cohort::exit_event&) {}
  bool send_offer(worker_id, const wire::offer& message, std::span<const int> descriptors) noexcept
  {
    return worker->send_offer(message, descriptors);
  }
  bool send_turn(worker_id, const wire::turn& message) noexcept
  {
    return worker->send_turn(message);
  }
  void last_call_done(worker_id) noexcept { worker->last_call_done(); }
  void accept_failed(std::error_code error) noexcept { failures.push_back(error); }
  void offer_failed(std::error_code error) noexcept { failures.push_back(error); }
  std::uint64_t message_fingerprint() const noexcept { return 0; }
  bool ending() const noexcept { return false; }

  dispatcher<any_policy, answering_cluster> listeners;
  std::shared_ptr<worker_type> worker;
  int listening = 0;
  std::vector<std::error_code> failures;
};

// A worker and its primary in one process; another one stands for the worker's, to be killed.
struct answer_test {
  explicit answer_test(any_policy policy) : cluster(context.get_executor(), std::move(policy))
  {
    std::error_code error;
    auto control = posix::stream_pair(error);
    auto messages = posix::stream_pair(error);
    REQUIRE_FALSE(error);
    const auto executor = context.get_executor();
    cluster.worker = std::make_shared<answering_cluster::worker_type>(executor,
        cohort::candidate(the_worker), cluster, std::move(control.first),
        cohort_test::no_messages().open(
            executor, std::move(messages.first), cohort::channel_options(), the_worker),
        cohort::settings().fence_grace(10ms).kill_grace(10ms));
    posix::child_options options;
    options.path = "/bin/sh";
    options.argv = {"sh", "-c", "exec sleep 100"};
    posix::start_error failure;
    cluster.worker->start(options, failure);
    REQUIRE_FALSE(failure.code);
    cluster.worker->announce();
    core().exited().add([this](std::error_code, cohort::exit_status) { exited = true; });
    core().online().add([this](std::error_code reason) { online = !reason; });

    posix::worker_channels channels;
    channels.control = std::move(control.second);
    channels.messages = std::move(messages.second);
    self = std::make_shared<self_core>(
        executor, std::move(channels), cohort_test::no_messages(), cohort::channel_options());
    // Never lets the test's process end.
    self->loss().set_drain(30s);
    self->start();
    REQUIRE(run_until([&] { return online; }));
  }

  ~answer_test()
  {
    std::error_code ignored;
    cluster.worker->kill(SIGKILL, ignored);
    source.reset();
    self->abandon();
    CHECK(run_until([&] { return exited; }));
    cluster.listeners.close();
    cluster.worker->orphan();
    cluster.worker.reset();
    run();
  }

  worker_core& core() { return *cluster.worker; }

  void run()
  {
    context.restart();
    context.poll();
  }
  template <class Done>
  bool run_until(Done done)
  {
    return cohort_test::run_bounded(context, done);
  }

  void begin_listen(std::uint16_t port = 0)
  {
    listened.reset();
    source.reset();
    std::error_code error;
    const auto where = posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), error);
    self->listen(
        [this](std::error_code failed, std::shared_ptr<accept_source> made) {
          listened = failed;
          source = std::move(made);
        },
        listen_key(wire::listen_kind::tcp, where), cohort::listen_options());
  }
  // What became of it.
  std::error_code listen(std::uint16_t port = 0)
  {
    begin_listen(port);
    REQUIRE(run_until([&] { return listened.has_value(); }));
    CHECK(bool(source) == !*listened);
    return *listened;
  }

  // A client connects, and the program accepts it.
  bool serves()
  {
    bool served = false;
    source->add([&](std::error_code error, accepted) { served = !error; });
    clients.connect(source->local_address());
    const bool came = run_until([&] { return served; });
    clients.sockets.clear();
    return came;
  }

  asio::io_context context{1};
  answering_cluster cluster;
  std::shared_ptr<self_core> self;
  cohort_test::test_clients clients{context};
  std::optional<std::error_code> listened;
  std::shared_ptr<accept_source> source;
  bool online = false;
  bool exited = false;
};

// Nothing more can be opened while it lives.
class full_table {
public:
  full_table()
  {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    rlimit none = before_;
    none.rlim_cur = 0;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~full_table() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  full_table(const full_table&) = delete;
  full_table& operator=(const full_table&) = delete;

private:
  rlimit before_{};
};

std::vector<any_policy> policies_with_sockets() { return {cohort::shared(), cohort::reuse_port()}; }

} // namespace

TEST_CASE("an answer that could not be sent for lack of room or memory comes later")
{
  for (const any_policy& policy : policies_with_sockets()) {
    for (const int code : {EAGAIN, EINTR, ENOBUFS, ENOMEM, ETOOMANYREFS}) {
      CAPTURE(code);
      answer_test test(policy);
      faults faults;
      // Behind the question.
      faults.fail(call::sendmsg, 2, code, 3);
      CHECK_FALSE(test.listen());
      CHECK(faults.count(call::sendmsg) >= 5);
      CHECK(test.run_until([&] { return test.cluster.listening == 1; }));
      CHECK(test.cluster.failures.empty());
      CHECK(test.serves());
    }
  }
}

TEST_CASE("a socket that the kernel does not pass on is an error of the listen, and nothing stays")
{
  for (const any_policy& policy : policies_with_sockets()) {
    for (const int code : {EPERM, EBADF, EINVAL, EMSGSIZE}) {
      CAPTURE(code);
      answer_test test(policy);
      const std::size_t before = count_descriptors();
      {
        faults faults;
        faults.fail(call::sendmsg, 2, code);
        CHECK(test.listen() == std::error_code(code, std::system_category()));
      }
      CHECK(count_descriptors() == before);
      CHECK(test.cluster.connections().size() == 0);
      CHECK_FALSE(test.listen());
      CHECK(test.serves());
      CHECK(test.cluster.failures.empty());
    }
  }
}

TEST_CASE(
    "whichever call fails while a worker listens, it gets an answer, and the next listen succeeds")
{
  std::vector<any_policy> policies = policies_with_sockets();
  policies.emplace_back(cohort::round_robin());
  for (const any_policy& policy : policies) {
    for (const int code : {EMFILE, ENOMEM}) {
      CAPTURE(code);
      unsigned told = 0;
      for (unsigned n = 1;; ++n) {
        CAPTURE(n);
        answer_test test(policy);
        bool reached = false;
        {
          faults faults;
          faults.fail(call::any, n, code);
          const std::error_code result = test.listen();
          reached = faults.count(call::any) >= n;
          if (result) ++told;
          if (result) CHECK(result.value() == code);
          if (!result) test.source->close(asio::error::operation_aborted);
        }
        CHECK_FALSE(test.listen());
        CHECK(test.serves());
        if (!reached) break;
        REQUIRE(n < 60);
      }
      CHECK(told >= 5);
    }
  }
}

TEST_CASE(
    "a worker without room for the socket is told so, leaves, and can listen when it has room")
{
  for (const any_policy& policy : policies_with_sockets()) {
    answer_test test(policy);
    const std::size_t before = count_descriptors();
    // The answer waits in the channel, its socket in the kernel.
    test.begin_listen();
    REQUIRE(test.run_until([&] { return test.cluster.connections().size() == 1; }));
    if (!test.listened) {
      const full_table full;
      CHECK(test.run_until([&] { return test.listened.has_value(); }));
    }
    CHECK(test.listened == std::errc::too_many_files_open);
    CHECK_FALSE(test.source);
    CHECK(test.run_until([&] { return test.cluster.connections().size() == 0; }));
    CHECK(count_descriptors() == before);
    // Nor was anybody told that it listens.
    CHECK(test.cluster.listening == 0);
    CHECK_FALSE(test.listen());
    CHECK(test.serves());
  }
}

TEST_CASE("a worker that never got its socket has never listened")
{
  answer_test test{cohort::shared()};
  faults faults;
  faults.fail(call::sendmsg, 2, EPERM);
  CHECK(test.listen() == std::errc::operation_not_permitted);
  CHECK(test.cluster.listening == 0);
}

TEST_CASE("an answer that comes after the drain lets the worker end as any other")
{
  for (const any_policy& policy : policies_with_sockets()) {
    answer_test test(policy);
    bool left = false;
    test.self->left().add([&](std::error_code) { left = true; });
    faults faults;
    faults.fail(call::sendmsg, 2, ENOMEM);
    test.begin_listen();
    REQUIRE(test.run_until([&] { return faults.count(call::sendmsg) >= 2; }));
    // The program reads messages, so that it says farewell as soon as it is told.
    test.self->messages()->read_ahead();
    test.core().disconnect(30s);
    CHECK(test.run_until([&] { return left; }));
    test.run();
    CHECK(test.listened == cohort::error::draining);
    CHECK(test.cluster.failures.empty());
    CHECK(test.cluster.connections().size() == 0);
  }
}

TEST_CASE("a worker that has said goodbye says nothing to an answer that comes then")
{
  // The primary is played: its answer was held up.
  asio::io_context context{1};
  std::error_code error;
  auto control = posix::stream_pair(error);
  auto messages = posix::stream_pair(error);
  posix::worker_channels channels;
  channels.control = std::move(control.second);
  channels.messages = std::move(messages.second);
  const auto self = std::make_shared<self_core>(context.get_executor(), std::move(channels),
      cohort_test::no_messages(), cohort::channel_options());
  self->loss().set_drain(30s);
  self->start();
  std::error_code failed;
  const auto anywhere = posix::socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  self->listen([&](std::error_code reason, const auto&) { failed = reason; },
      listen_key(wire::listen_kind::tcp, anywhere), cohort::listen_options());

  const auto tell = [&](const auto& message) {
    const wire::control_frame frame(message);
    CHECK(::write(control.first.get(), frame.bytes().data(), frame.bytes().size()) > 0);
  };
  // The kinds of what the worker says.
  std::vector<wire::message_type> said;
  wire::frame_decoder decoder(wire::max_control_payload);
  const auto hear = [&] {
    const auto room = decoder.prepare(4096);
    const ssize_t size = ::recv(control.first.get(), room.data(), room.size(), MSG_DONTWAIT);
    decoder.commit(size > 0 ? static_cast<std::size_t>(size) : 0);
    while (const auto frame = decoder.next(error))
      said.push_back(static_cast<wire::message_type>(frame->header.type));
  };
  posix::shutdown_write(messages.first.get(), error);
  tell(wire::drain());
  CHECK(cohort_test::run_bounded(context, [&] {
    hear();
    return !said.empty() && said.back() == wire::message_type::bye;
  }));
  CHECK(failed == cohort::error::draining);
  said.clear();
  wire::listen_reply reply;
  reply.request = 1;
  reply.listener = 7;
  reply.address = wire::address_bytes(anywhere.bytes());
  tell(reply);
  context.restart();
  context.poll();
  hear();
  // Anything would break the protocol.
  CHECK(said.empty());
  self->abandon();
}

} // namespace listen_answers_faults
