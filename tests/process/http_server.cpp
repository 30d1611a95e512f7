// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The example of an HTTP server, as its users run it.

#include "support/browser.hpp"
#include "support/kept_port.hpp"
#include "support/program.hpp"
#include "support/skip.hpp"

#include <cohort/cluster.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

namespace http_server_test {

using namespace cohort_test;

namespace {

class http_server : public program {
public:
  explicit http_server(unsigned workers = 1, std::vector<std::string> more = {})
      : http_server(all_arguments(workers, more), workers)
  {
  }
  http_server(const std::vector<std::string>& arguments, unsigned workers) : program(arguments)
  {
    for (unsigned online = 0; online != workers || url_.empty();) {
      const std::string said = line();
      REQUIRE(!said.empty());
      if (said.ends_with(") online")) ++online;
      if (said.starts_with("listening on ")) url_ = said.substr(13);
    }
  }

  const std::string& url() const { return url_; }
  unsigned short port() const
  {
    return static_cast<unsigned short>(std::stoul(url_.substr(url_.rfind(':') + 1)));
  }

  std::string ask(const std::string& bytes, const char* host = "127.0.0.1") const
  {
    browser client(port(), host);
    client.send(bytes);
    return client.receive();
  }

  // It has nothing more to say, on stderr neither.
  void expect_clean_end(int number = SIGTERM)
  {
    signal(number);
    CHECK(line() == "");
    CHECK(wait() == 0);
    CHECK(errors() == "");
  }

private:
  static std::vector<std::string> all_arguments(
      unsigned workers, const std::vector<std::string>& more)
  {
    std::vector<std::string> all{
        example("http_server"), "--port", "0", "--workers", std::to_string(workers)};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  std::string url_;
};

std::string get(const std::string& target, const std::string& fields = "")
{
  return "GET " + target + " HTTP/1.1\r\nHost: here\r\n" + fields + "\r\n";
}

std::string post(const std::string& target, const std::string& body)
{
  return "POST " + target +
         " HTTP/1.1\r\nHost: here\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

std::string status_of(const std::string& answer) { return answer.substr(9, 3); }

} // namespace

TEST_CASE("http_server answers what it is asked")
{
  http_server server(2);
  const std::string hello = server.ask(get("/"));
  CHECK(hello.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(hello.ends_with("\r\n\r\nhello world\n"));
  CHECK(hello.find("\r\nX-Worker: ") != hello.npos);
  CHECK(hello.find("\r\nX-Pid: ") != hello.npos);
  CHECK(server.ask(get("/slow?ms=10")).ends_with("waited 10 ms\n"));
  CHECK(server.ask(post("/echo", "something")).ends_with("\r\n\r\nsomething"));
  const std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK(server.ask(chunked + "4\r\nsome\r\n5\r\nthing\r\n0\r\n\r\n").ends_with("\n\r\nsomething"));
  const std::string old = server.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(old.find("\r\nConnection: keep-alive\r\n") != old.npos);
  browser head(server.port());
  head.send("HEAD / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
  CHECK(head.receive_all().ends_with("Content-Length: 12\r\nConnection: close\r\n\r\n"));
  server.expect_clean_end();
}

TEST_CASE("http_server refuses what is wrong with a status that says so")
{
  http_server server;
  const auto status = [&](const std::string& bytes) { return status_of(server.ask(bytes)); };
  CHECK(status(get("/nothing")) == "404");
  CHECK(status(post("/", "")) == "405");
  CHECK(status(get("/echo")) == "405");
  CHECK(status(get("/slow?ms=soon")) == "400");
  CHECK(status(get("/slow?ms=99999999")) == "400");
  CHECK(status("nonsense\r\n\r\n") == "400");
  CHECK(status("GET / HTTP/1.1\r\n\r\n") == "400");
  CHECK(status(get("/", "Transfer-Encoding: gzip\r\n")) == "400");
  CHECK(status(get("/", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n")) == "400");
  CHECK(status(get("/", "Expect: wonders\r\n")) == "417");
  CHECK(status(get("/", "X: " + std::string(8000, 'x') + "\r\n")) == "200");
  CHECK(status(get("/", "X: " + std::string(8192, 'x') + "\r\n")) == "431");
  CHECK(status(get('/' + std::string(9000, 'x'))) == "431");
  CHECK(status("POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 1048577\r\n\r\n") == "413");
  CHECK(status("POST /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
               "100001\r\n") == "413");
  const std::string large(1024 * 1024, 'x');
  CHECK(server.ask(post("/echo", large)).ends_with("\r\n\r\n" + large));
  server.expect_clean_end();
}

TEST_CASE("http_server answers pipelined requests in order, however they are cut")
{
  http_server server;
  browser client(server.port());
  std::string requests;
  for (int i = 0; i != 300; ++i) requests += post("/echo", std::to_string(i));
  requests += get("/slow?ms=1");
  requests += get("/", "Connection: close\r\n");
  SUBCASE("not at all") { client.send(requests); }
  SUBCASE("into sevens")
  {
    for (std::size_t at = 0; at < requests.size(); at += 7) client.send(requests.substr(at, 7));
  }
  for (int i = 0; i != 300; ++i) CHECK(client.receive().ends_with("\r\n\r\n" + std::to_string(i)));
  CHECK(client.receive().ends_with("waited 1 ms\n"));
  CHECK(client.receive_all().ends_with("hello world\n"));
  server.expect_clean_end();
}

TEST_CASE("http_server asks for a body that waits to be asked for")
{
  http_server server;
  browser client(server.port());
  const std::string fields = " HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n"
                             "Expect: 100-continue\r\n\r\n";
  client.send("POST /echo" + fields);
  CHECK(client.receive() == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  CHECK(client.receive().ends_with("\r\n\r\nabc"));
  client.send("POST /nothing" + fields);
  CHECK(status_of(client.receive_all()) == "404");
  server.expect_clean_end();
}

TEST_CASE("http_server does not wait for ever, neither for a first request nor for another")
{
  http_server server(1, {"--timeout", "1"});
  browser idle(server.port());
  browser slow(server.port());
  browser again(server.port());
  slow.send("GET / HTT");
  again.send(get("/"));
  CHECK(status_of(again.receive()) == "200");
  CHECK(status_of(slow.receive_all()) == "408");
  CHECK(idle.receive_all() == "");
  CHECK(again.receive_all() == "");
  server.expect_clean_end();
}

TEST_CASE("http_server listens where it is told, and says so")
{
  http_server elsewhere(1, {"--host", "127.0.0.2"});
  CHECK(elsewhere.url().starts_with("http://127.0.0.2:"));
  CHECK(status_of(elsewhere.ask(get("/"), "127.0.0.2")) == "200");
  CHECK_THROWS(elsewhere.ask(get("/"), "127.0.0.1"));
  elsewhere.expect_clean_end();
}

TEST_CASE("http_server without options has a worker per core, at port 8000 of this machine")
{
  {
    asio::io_context context;
    asio::ip::tcp::acceptor probe(context);
    probe.open(asio::ip::tcp::v4());
    probe.set_option(asio::ip::tcp::acceptor::reuse_address(true));
    std::error_code taken;
    probe.bind({asio::ip::address_v4::loopback(), 8000}, taken);
    if (taken) return skip("port 8000 is taken");
  }
  http_server server({example("http_server")}, cohort::available_parallelism());
  CHECK(server.url() == "http://127.0.0.1:8000");
  CHECK(status_of(server.ask(get("/"))) == "200");
  server.expect_clean_end();
}

TEST_CASE("http_server drains: idle connections end, running requests do not")
{
  http_server server(2);
  browser idle(server.port());
  idle.send(get("/"));
  idle.receive();
  browser running(server.port());
  running.send(get("/") + get("/slow?ms=300"));
  running.receive();
  server.signal(SIGTERM);
  CHECK(idle.receive_all() == "");
  const std::string last = running.receive_all();
  CHECK(last.ends_with("waited 300 ms\n"));
  CHECK(last.find("\r\nConnection: close\r\n") != last.npos);
  CHECK(server.wait() == 0);
}

TEST_CASE("http_server ends at once when it is told twice, by SIGTERM or by Ctrl-C")
{
  for (const int number : {SIGTERM, SIGINT}) {
    http_server server;
    browser client(server.port());
    client.send(get("/") + get("/slow?ms=60000"));
    client.receive();
    browser idle(server.port());
    idle.send(get("/"));
    idle.receive();
    server.signal(number);
    idle.receive_all();
    server.signal(number);
    CHECK(server.wait() == 128 + number);
  }
}

TEST_CASE("Ctrl-C drains http_server as SIGTERM does")
{
  http_server server;
  server.expect_clean_end(SIGINT);
}

TEST_CASE("http_server replaces a worker that crashes, and refuses nobody meanwhile")
{
  http_server server;
  const std::string before = server.ask(get("/"));
  browser client(server.port());
  client.send(get("/crash"));
  CHECK(client.receive_all() == "");
  CHECK(server.line().ends_with(" killed by SIGABRT"));
  CHECK(server.line().ends_with(") online"));
  const std::string after = server.ask(get("/"));
  CHECK(status_of(after) == "200");
  CHECK(after.find("\r\nX-Worker: 2\r\n") != after.npos);
  server.expect_clean_end();
}

TEST_CASE("http_server serves with every policy that it names, and drains")
{
  for (const char* const policy :
      {"round_robin", "least_connections", "power_of_two", "weighted", "random", "sticky",
          "slow_start", "shared", "reuse_port", "least_load", "when_full", "environment"}) {
    CAPTURE(policy);
    http_server server(2, {"--policy", policy});
    for (int i = 0; i != 20; ++i) CHECK(status_of(server.ask(get("/"))) == "200");
    server.expect_clean_end();
  }
}

TEST_CASE("http_server behind a balancer keeps each client that it names at one worker")
{
  http_server server(2, {"--policy", "sticky_by_proxy"});
  const std::string version_2("\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00", 16);
  CHECK(status_of(server.ask(version_2 + get("/"))) == "200");
  // Without a header, and one that does not end.
  CHECK(status_of(server.ask(get("/"))) == "200");
  CHECK(status_of(server.ask("PROXY " + std::string(200, '1') + "\r\n\r\n")) == "400");
  std::set<std::string> workers;
  for (int client = 1; client != 20; ++client) {
    const std::string header =
        "PROXY TCP4 192.0.2." + std::to_string(client) + " 198.51.100.1 35646 80\r\n";
    std::set<std::string> own;
    for (int visit = 0; visit != 3; ++visit) {
      const std::string answer = server.ask(header + get("/"));
      CHECK(status_of(answer) == "200");
      const std::size_t field = answer.find("X-Worker: ");
      REQUIRE(field != answer.npos);
      own.insert(answer.substr(field, answer.find('\r', field) - field));
    }
    CHECK(own.size() == 1);
    workers.merge(own);
  }
  CHECK(workers.size() == 2);
  server.expect_clean_end();
}

TEST_CASE("http_server under a supervisor reloads, replaces who crashes, and drains")
{
  const kept_port port;
  for (const std::string& number : {std::string("0"), std::to_string(port.number())}) {
    CAPTURE(number);
    http_server server(2, {"--supervise", "--policy", "least_connections", "--port", number});
    for (const int signal : {SIGUSR1, SIGHUP}) {
      browser idle(server.port());
      idle.send(get("/"));
      idle.receive();
      browser running(server.port());
      running.send(get("/") + get("/slow?ms=300"));
      running.receive();
      server.signal(signal);
      for (int each = 0; each != 2; ++each) CHECK(server.line().ends_with(") online"));
      CHECK(server.line().starts_with("reload: generation "));
      CHECK(idle.receive_all() == "");
      CHECK(running.receive_all().ends_with("waited 300 ms\n"));
      CHECK(status_of(server.ask(get("/"))) == "200");
    }
    browser client(server.port());
    client.send(get("/crash"));
    CHECK(client.receive_all() == "");
    CHECK(server.line().ends_with(" killed by SIGABRT"));
    CHECK(server.line().ends_with(") online"));
    CHECK(status_of(server.ask(get("/"))) == "200");
    server.expect_clean_end();
  }
}

TEST_CASE("http_server under a supervisor ends at once when it is told twice")
{
  http_server server(1, {"--supervise"});
  browser client(server.port());
  client.send(get("/") + get("/slow?ms=60000"));
  client.receive();
  browser idle(server.port());
  idle.send(get("/"));
  idle.receive();
  server.signal(SIGTERM);
  idle.receive_all();
  server.signal(SIGTERM);
  CHECK(server.wait() == 128 + SIGTERM);
}

TEST_CASE("http_server says in one line why it cannot start")
{
  const auto failure = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), example("http_server"));
    program server(arguments);
    CHECK(server.wait() != 0);
    const std::string said = server.errors();
    CHECK(std::ranges::count(said, '\n') == 1);
    return said;
  };
  CHECK(failure({"--port", "x"}).find("--port needs a number") != std::string::npos);
  CHECK(failure({"--port"}).find("--port needs a value") != std::string::npos);
  CHECK(failure({"--policy", "mine"}).find("--policy does not know") != std::string::npos);
  CHECK(failure({"--fast"}).find("unknown option '--fast'") != std::string::npos);
  http_server first;
  const std::string port = std::to_string(first.port());
  CHECK(failure({"--port", port}).find("Address already in use") != std::string::npos);
  CHECK(
      failure({"--port", port, "--supervise"}).find("Address already in use") != std::string::npos);
  first.expect_clean_end();
}

} // namespace http_server_test
