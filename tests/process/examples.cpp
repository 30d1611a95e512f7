// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The examples, as their users run them.

#include "support/program.hpp"
#include "support/scratch.hpp"

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <sys/time.h>

using namespace cohort_test;
using asio::ip::tcp;

namespace {

// An HTTP client that sends what it is told, right or wrong.
class browser {
public:
  explicit browser(unsigned short port)
  {
    socket_.connect(tcp::endpoint(asio::ip::address_v4::loopback(), port));
    const timeval limit{20 * static_cast<time_t>(time_factor()), 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }

  void send(const std::string& bytes) { asio::write(socket_, asio::buffer(bytes)); }

  // The next answer, head and body.
  std::string receive()
  {
    const std::size_t head = asio::read_until(socket_, asio::dynamic_buffer(ahead_), "\r\n\r\n");
    const std::size_t field = ahead_.find("Content-Length: ");
    const std::size_t size = head + (field < head ? std::stoul(ahead_.substr(field + 16)) : 0);
    if (ahead_.size() < size)
      asio::read(
          socket_, asio::dynamic_buffer(ahead_), asio::transfer_exactly(size - ahead_.size()));
    const std::string answer = ahead_.substr(0, size);
    ahead_.erase(0, size);
    return answer;
  }

  std::string receive_line()
  {
    const std::size_t size = asio::read_until(socket_, asio::dynamic_buffer(ahead_), '\n');
    const std::string line = ahead_.substr(0, size);
    ahead_.erase(0, size);
    return line;
  }

  // Everything until the end of the stream; then it closes, as the server waits for.
  std::string receive_all()
  {
    std::error_code end;
    asio::read(socket_, asio::dynamic_buffer(ahead_), end);
    CHECK(end == asio::error::eof);
    socket_.close();
    return ahead_;
  }

private:
  asio::io_context context_;
  tcp::socket socket_{context_};
  std::string ahead_;
};

class http_server : public program {
public:
  explicit http_server(unsigned workers = 1, std::string timeout = "30")
      : program({example("http_server"), "--port", "0", "--workers", std::to_string(workers),
            "--timeout", timeout})
  {
    for (unsigned online = 0; online != workers || url_.empty();) {
      const std::string said = line();
      REQUIRE(!said.empty());
      if (said.ends_with(") online")) ++online;
      if (said.starts_with("listening on ")) url_ = said.substr(13);
    }
  }

  unsigned short port() const
  {
    return static_cast<unsigned short>(std::stoul(url_.substr(url_.rfind(':') + 1)));
  }

  std::string ask(const std::string& bytes) const
  {
    browser client(port());
    client.send(bytes);
    return client.receive();
  }

  void expect_clean_end()
  {
    signal(SIGTERM);
    CHECK(wait() == 0);
    CHECK(errors() == "");
  }

private:
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

TEST_CASE("02_existing_server greets from all workers and ends by itself")
{
  for (const char* threads : {"1", "4"}) {
    CAPTURE(threads);
    program server(
        {example("02_existing_server"), "--port", "0", "--requests", "8", "--threads", threads});
    CHECK(server.line().starts_with("listening on port "));
    std::map<std::string, int> greetings;
    for (std::string said = server.line(); !said.empty(); said = server.line()) ++greetings[said];
    // A worker is asked as soon as it has asked itself, which may be a little later.
    int total = 0;
    for (const auto& [said, times] : greetings) total += times;
    CHECK(total == 8);
    CHECK(greetings.size() > 1);
    CHECK(server.wait() == 0);
    CHECK(server.errors() == "");
  }
}

TEST_CASE("05_request_counter counts what it asked its workers")
{
  program counter({example("05_request_counter"), "--requests", "20"});
  CHECK(counter.line() == "requests: 20");
  CHECK(counter.wait() == 0);
  CHECK(counter.errors() == "");
}

TEST_CASE("06_work_queue does all its work although a worker crashes")
{
  program queue({example("06_work_queue")});
  CHECK(queue.line() == "50000 to 60000: the channel is disconnected");
  CHECK(queue.line() == "9592 primes");
  CHECK(queue.wait() == 0);
}

TEST_CASE("07_passing_files counts the lines of a file and gets a filled buffer")
{
  const scratch_directory place;
  std::ofstream(place.file("lines")) << "one\ntwo\nthree\n";
  program passing({example("07_passing_files"), place.file("lines")});
  CHECK(passing.line() == place.file("lines") + " has 3 lines");
  CHECK(passing.line() == "67108864 of 67108864 bytes in a memfd are 42");
  CHECK(passing.wait() == 0);
  CHECK(passing.errors() == "");
}

TEST_CASE("08_chat tells everybody what one says, whatever worker they are at")
{
  program chat({example("08_chat"), "0"});
  const std::string where = chat.line();
  REQUIRE(where.starts_with("listening on port "));
  const auto port = static_cast<unsigned short>(std::stoi(where.substr(18)));
  std::vector<std::unique_ptr<browser>> users;
  for (int i = 0; i != 4; ++i) users.push_back(std::make_unique<browser>(port));
  // Each is heard by itself first, so that its worker knows of it.
  for (const auto& each : users) {
    each->send("here\n");
    CHECK(each->receive_line() == "here\n");
  }
  users.front()->send("hello all\n");
  for (const auto& each : users) {
    std::string heard = "here\n";
    while (heard == "here\n") heard = each->receive_line();
    CHECK(heard == "hello all\n");
  }
  chat.signal(SIGTERM);
  CHECK(chat.wait() == 0);
}

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

TEST_CASE("http_server does not wait for ever")
{
  http_server server(1, "1");
  browser idle(server.port());
  browser slow(server.port());
  slow.send("GET / HTT");
  CHECK(status_of(slow.receive_all()) == "408");
  CHECK(idle.receive_all() == "");
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

TEST_CASE("http_server ends at once when it is told twice")
{
  http_server server;
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

TEST_CASE("http_server replaces a worker that crashes, and refuses nobody meanwhile")
{
  http_server server;
  const std::string before = server.ask(get("/"));
  browser client(server.port());
  client.send(get("/crash"));
  CHECK(client.receive_all() == "");
  const std::string after = server.ask(get("/"));
  CHECK(status_of(after) == "200");
  CHECK(after.find("\r\nX-Worker: 2\r\n") != after.npos);
  server.expect_clean_end();
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
  CHECK(failure({"--policy", "mine"}).find("--policy knows") != std::string::npos);
  CHECK(failure({"--fast"}).find("unknown option '--fast'") != std::string::npos);
  http_server first;
  const std::string port = std::to_string(first.port());
  CHECK(failure({"--port", port}).find("Address already in use") != std::string::npos);
  first.expect_clean_end();
}
