// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A scheduler of one's own: each tenant of a service has its worker, which keeps what it knows.
//
// The tenant is the first part of the path, "GET /TENANT/...". The policy sees it before the
// connection has a worker: `peek` asks for the first bytes, `enough` says when they suffice, and
// the worker reads them again as if nothing had happened. Whoever asks for no tenant goes by the
// client's address.
//
//   04_own_scheduler                        on port 8000, until SIGTERM or Ctrl-C; then for example
//   curl localhost:8000/anna/mail           prints: anna: visit 1, worker 3
//   curl localhost:8000/anna/files          prints: anna: visit 2, worker 3
//   04_own_scheduler --requests 12          asks itself for three tenants in turn, and ends

#include <asio.hpp>
#include <cohort.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

using asio::ip::tcp;

// "anna" of "GET /anna/mail HTTP/1.1"; empty when there is none, or it is not complete yet.
std::string_view tenant_of(std::string_view request)
{
  const std::size_t begin = request.find('/');
  if (begin == request.npos) return {};
  const std::size_t end = request.find_first_of("/ ?", begin + 1);
  return end == request.npos ? std::string_view() : request.substr(begin + 1, end - begin - 1);
}

class by_tenant {
public:
  using bytes = std::span<const std::byte>;

  static constexpr std::size_t peek = 128;

  bool enough(bytes first_bytes) const noexcept
  {
    const std::string_view request = text(first_bytes);
    return !tenant_of(request).empty() || request.find('\n') != request.npos;
  }

  std::size_t select(std::span<const cohort::candidate> members,
      const cohort::connection_info& connection) noexcept
  {
    std::string_view key = tenant_of(text(connection.first_bytes()));
    if (key.empty()) key = text(connection.peer_address());
    // A tenant's worker is the one that scores highest for it: who joins or leaves takes or leaves
    // tenants of its own, all others stay where they are. A replacement has its predecessor's slot.
    std::size_t home = cohort::wait, ready = cohort::wait;
    for (std::size_t i = 0; i != members.size(); ++i) {
      if (members[i].leaving || members[i].weight == 0) continue;
      if (home == cohort::wait || score(key, members[i]) > score(key, members[home])) home = i;
      if (members[i].ready()) ready = i;
    }
    if (home == cohort::wait || members[home].ready()) return home;
    // Its worker is full: the tenant waits for it, but not for ever.
    return connection.overdue() ? ready : cohort::wait;
  }

private:
  static std::string_view text(bytes from) noexcept
  {
    return {reinterpret_cast<const char*>(from.data()), from.size()};
  }

  static std::uint64_t score(std::string_view key, const cohort::candidate& member) noexcept
  {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char each : key) hash = (hash ^ static_cast<unsigned char>(each)) * 0x100000001b3U;
    // Who is highest must be by chance: each slot has to change every bit.
    hash += (member.slot + 1) * 0x9e3779b97f4a7c15U;
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9U;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebU;
    return hash ^ (hash >> 31);
  }
};
static_assert(cohort::scheduling_policy<by_tenant>);

int requests = 0; // requests to make, none: serve for others

// In the workers: visits are counted where they are served, which is one place for a tenant.

using visit_counts = std::shared_ptr<std::map<std::string, int>>;

asio::awaitable<void> answer(
    visit_counts visits, cohort::worker_id self, cohort::connection<tcp> client)
{
  std::string request;
  co_await asio::async_read_until(
      client, asio::dynamic_buffer(request, 8192), "\r\n\r\n", asio::use_awaitable);
  std::string tenant(tenant_of(request));
  if (tenant.empty()) tenant = "nobody";
  const std::string reply = "HTTP/1.0 200 OK\r\n\r\n" + tenant + ": visit " +
                            std::to_string(++(*visits)[tenant]) + ", worker " +
                            std::to_string(self) + '\n';
  co_await asio::async_write(client, asio::buffer(reply), asio::use_awaitable);
}

asio::awaitable<void> serve(cohort::this_worker& self)
{
  // Answers may take longer than this coroutine, which ends when no more is accepted.
  const auto visits = std::make_shared<std::map<std::string, int>>();
  const tcp::endpoint where(asio::ip::address_v4::loopback(), requests == 0 ? 8000 : 0);
  auto acceptor = co_await self.listen(where);
  for (;;) {
    auto client = co_await acceptor.async_accept();
    auto answering = answer(visits, self.id(), std::move(client));
    asio::co_spawn(self.get_executor(), std::move(answering), asio::detached);
  }
}

// In the primary.

asio::awaitable<void> ask(tcp::endpoint where, std::string tenant)
{
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(where, asio::use_awaitable);
  const std::string request = "GET /" + tenant + "/mail HTTP/1.0\r\n\r\n";
  co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
  std::string reply;
  std::error_code end;
  co_await asio::async_read(
      socket, asio::dynamic_buffer(reply), asio::redirect_error(asio::use_awaitable, end));
  std::cout << reply.substr(reply.find("\r\n\r\n") + 4);
}

asio::awaitable<void> supervise(cohort::cluster<by_tenant>& cluster)
{
  auto workers = co_await cluster.co_fork_all(4);
  std::uint16_t port = 0;
  for (auto& worker : workers) {
    auto where = co_await worker.listening();
    port = where.port;
  }
  if (requests == 0) co_return;
  const char* const tenants[] = {"anna", "ben", "cleo"};
  const tcp::endpoint where(asio::ip::address_v4::loopback(), port);
  for (int i = 0; i != requests; ++i) co_await ask(where, tenants[i % 3]);
  co_await cluster.disconnect();
}

int main(int argc, char** argv)
{
  if (argc == 3 && std::string(argv[1]) == "--requests") requests = std::max(std::atoi(argv[2]), 0);
  return cohort::run(argc, argv, supervise, serve);
}
