// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Roles for where workers listen:
//
//   listening_unprivileged   a primary without rights whose worker asks for port 42, and that says
//                            what became of it
//   listening_waits          a worker that waits for three connections on a port of its own choice
//                            and says how each wait ended; "close" closes, everything else it sends
//                            back; it ends with 42 when its context has nothing to do any more
//   listening_at_path        a worker of `jobs` that listens on the path it is told and answers
//   with
//                            the error

#include <cohort/acceptor.hpp>
#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>
#include <cohort/scheduling/from_environment.hpp>
#include <cohort/subscription.hpp>
#include <cohort/this_worker.hpp>

#include "support/ending_workers.hpp"
#include "support/job_protocol.hpp"
#include "support/worker_roles.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <cerrno>
#include <exception>
#include <grp.h>
#include <iostream>
#include <optional>
#include <string>
#include <sys/prctl.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <variant>

namespace node_listening_role {

using asio::awaitable;
using asio::redirect_error;
using asio::use_awaitable;
using asio::ip::tcp;
using local = asio::local::stream_protocol;

namespace {

void rethrow(std::exception_ptr failure)
{
  if (failure) std::rethrow_exception(failure);
}

// For good. Who is not root has nothing to give up.
void give_up_rights()
{
  constexpr uid_t nobody = 65534;
  if (::geteuid() != 0) return;
  if (::setgroups(0, nullptr) != 0 || ::setresgid(nobody, nobody, nobody) != 0 ||
      ::setresuid(nobody, nobody, nobody) != 0)
    throw std::system_error(errno, std::system_category(), "give_up_rights");
  // Otherwise what the kernel shows of this process in /proc is root's.
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

using environment_cluster = cohort::cluster<cohort::policy_from_environment>;

awaitable<void> ask_for_privileged_port(environment_cluster& cluster)
{
  auto events = cluster.subscribe<cohort::error_event, cohort::listening_event>();
  cohort::worker worker = co_await cluster.co_fork(cohort_test::ending());
  co_await cohort_test::heard(worker);
  worker.send("listen_at 42");
  const std::string answer = co_await cohort_test::heard(worker);
  std::cout << "worker: " << answer << std::endl;
  const auto first = co_await events.next();
  const auto& event = std::get<cohort::error_event>(first);
  std::cout << "primary: " << event.what << ": " << event.code.message() << std::endl;
  worker.send("say");
  const std::string alive = co_await cohort_test::heard(worker);
  std::cout << "worker: " << alive << std::endl;
  worker.send("close_channel");
  const cohort::exit_status status = co_await worker.exited();
  std::cout << status << std::endl;
}

COHORT_TEST_WORKER_ROLE(listening_unprivileged)
{
  give_up_rights();
  asio::io_context context(1);
  // Wherever the program is: there may be no way to it any more.
  environment_cluster cluster(context, cohort::settings().exec("/proc/self/exe"));
  asio::co_spawn(context, ask_for_privileged_port(cluster), rethrow);
  context.run();
  return 0;
}

class waiting_worker {
public:
  int run()
  {
    asio::co_spawn(context_, work(), rethrow);
    context_.run();
    return 42;
  }

private:
  void say(const std::string& words) { self_.send(boost::json::value(words)); }

  awaitable<void> work()
  {
    const tcp::endpoint any_port(asio::ip::address_v4::loopback(), 0);
    auto acceptor = co_await self_.listen(any_port);
    for (int i = 0; i != 3; ++i)
      acceptor.async_accept([this](std::error_code error, auto) { say(error.message()); });
    say("waits");
    std::error_code end;
    for (;;) {
      auto next = co_await self_.receive(redirect_error(use_awaitable, end));
      if (end) break;
      if (next.message == "close") acceptor.close();
      else self_.send(std::move(next.message));
    }
    kept_.emplace(std::move(acceptor));
  }

  asio::io_context context_{1};
  cohort::this_worker self_{context_};
  std::optional<cohort::acceptor<tcp>> kept_;
};

COHORT_TEST_WORKER_ROLE(listening_waits)
{
  waiting_worker one;
  return one.run();
}

awaitable<void> listen_at_path(cohort_test::jobs::self_type& self)
{
  auto asked = co_await self.receive<cohort_test::jobs::task>();
  const local::endpoint where(asked.message.what);
  std::error_code error;
  auto acceptor = co_await self.listen(where, redirect_error(use_awaitable, error));
  cohort_test::jobs::result answer;
  answer.what = error.category().name();
  answer.number = static_cast<std::uint64_t>(error.value());
  self.send(answer);
  co_await self.left();
}

COHORT_TEST_WORKER_ROLE(listening_at_path)
{
  asio::io_context context(1);
  cohort_test::jobs::self_type self(context);
  asio::co_spawn(context, listen_at_path(self), rethrow);
  context.run();
  return 0;
}

} // namespace

} // namespace node_listening_role
