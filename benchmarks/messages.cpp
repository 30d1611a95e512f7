// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Messages between two processes: typed ones by cohort, JSON values by Node's process.send, and
// bare bytes through a socketpair. Each figure is the median of five rounds; in a round everything
// that is compared runs once.

#include <cohort/message/binary.hpp>
#include <cohort/message/json.hpp>
#include <cohort/message_channel.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <boost/describe.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

// Not in an anonymous namespace: BOOST_DESCRIBE_STRUCT declares functions there.
namespace messages_benchmark {

struct request_served {
  std::string path;
  std::uint32_t microseconds = 0;
  std::uint16_t status = 0;
  std::uint64_t id = 0;
};
struct block {
  std::vector<std::byte> bytes;
};
struct question {
  bool reply = true;
};
BOOST_DESCRIBE_STRUCT(request_served, (), (path, microseconds, status, id))
BOOST_DESCRIBE_STRUCT(block, (), (bytes))
BOOST_DESCRIBE_STRUCT(question, (), (reply))

} // namespace messages_benchmark

namespace {

using namespace messages_benchmark;

constexpr int rounds = 5;
constexpr std::size_t batch = 64 * 1024; // what a channel writes at once when much is sent
constexpr std::size_t mebibyte = 1024 * 1024;

using list = cohort::messages<request_served, block, question>;
template <class Codec>
using channel = cohort::message_channel<list, list, Codec>;
using clock_type = std::chrono::steady_clock;

double seconds_since(clock_type::time_point start)
{
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

void check(bool good, const char* what)
{
  if (good) return;
  std::perror(what);
  std::exit(1);
}

// A connected pair of which the other end is in a child process that runs `function(fd)`.
template <class Function>
int with_child(Function function)
{
  int ends[2];
  check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  const pid_t pid = ::fork();
  check(pid >= 0, "fork");
  if (pid != 0) {
    ::close(ends[1]);
    return ends[0];
  }
  ::close(ends[0]);
  function(ends[1]);
  ::_exit(0);
}

template <class Codec, class Coroutine>
void run_channel(int fd, Coroutine coroutine)
{
  asio::io_context context(1);
  using protocol = asio::local::stream_protocol;
  channel<Codec> ends(protocol::socket(context, protocol(), fd));
  asio::co_spawn(context, coroutine(ends), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
}

// The child's side: counts, and answers questions.
template <class Codec>
asio::awaitable<void> answer(channel<Codec>& ends)
{
  for (;;) {
    std::error_code end;
    auto next = co_await ends.receive(asio::redirect_error(asio::use_awaitable, end));
    if (end) co_return;
    do {
      if (const auto* asked = std::get_if<question>(&next.message)) ends.send(*asked);
    } while (ends.try_receive(next));
  }
}

// The same, with one message each time it is resumed.
template <class Codec>
asio::awaitable<void> answer_one_by_one(channel<Codec>& ends)
{
  for (;;) {
    std::error_code end;
    const auto next = co_await ends.receive(asio::redirect_error(asio::use_awaitable, end));
    if (end) co_return;
    if (const auto* asked = std::get_if<question>(&next.message)) ends.send(*asked);
  }
}

template <class Codec>
asio::awaitable<void> ask(channel<Codec>& ends)
{
  const question is_all_there;
  ends.send(is_all_there);
  auto answered = co_await ends.receive();
}

template <class Codec>
asio::awaitable<void> send_one_way(channel<Codec>& ends, std::uint64_t count)
{
  request_served message;
  message.path = "/index.html?user=12345678";
  message.microseconds = 1234;
  message.status = 200;
  for (message.id = 0; message.id != count; ++message.id) {
    const auto status = ends.send(message);
    if (status == cohort::send_status::congested) co_await ends.flushed();
  }
}

template <class Codec>
asio::awaitable<void> send_blocks(channel<Codec>& ends, std::uint64_t count)
{
  for (; count != 0; --count) {
    block message;
    message.bytes.resize(mebibyte);
    const auto status = ends.send(std::move(message));
    if (status == cohort::send_status::congested) co_await ends.flushed();
  }
}

template <class Codec>
asio::awaitable<void> send_handles(channel<Codec>& ends, std::uint64_t count)
{
  asio::io_context context;
  asio::ip::tcp::acceptor server(context, asio::ip::tcp::endpoint(asio::ip::tcp::v4(), 0));
  request_served message;
  message.path = "/index.html?user=12345678";
  for (message.id = 0; message.id != count; ++message.id) {
    const auto status = ends.send(message, cohort::handle::duplicate_of(server));
    if (status == cohort::send_status::congested || ends.queued_bytes() > batch)
      co_await ends.flushed();
  }
}

template <class Codec>
asio::awaitable<void> go_round(channel<Codec>& ends, std::uint64_t count)
{
  for (; count != 0; --count) co_await ask(ends);
}

template <class Codec>
using scenario = asio::awaitable<void> (*)(channel<Codec>&, std::uint64_t);

template <class Codec>
double cohort_seconds(scenario<Codec> function, std::uint64_t count,
    asio::awaitable<void> (*receiver)(channel<Codec>&) = answer<Codec>)
{
  const int fd = with_child([&](int end) { run_channel<Codec>(end, receiver); });
  double seconds = 0;
  run_channel<Codec>(fd, [&](channel<Codec>& ends) -> asio::awaitable<void> {
    co_await ask(ends);
    const auto start = clock_type::now();
    co_await function(ends, count);
    co_await ask(ends);
    seconds = seconds_since(start);
  });
  ::wait(nullptr);
  return seconds;
}

void write_all(int fd, const char* bytes, std::size_t size)
{
  while (size != 0) {
    const ssize_t written = ::write(fd, bytes, size);
    check(written > 0, "write");
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
}

std::vector<char> some_bytes(std::size_t size) { return std::vector<char>(size, 'x'); }

// The same bytes in the same batches, and nobody looks at them. The child says when it has all.
double raw_one_way_seconds(std::size_t total, std::size_t at_once)
{
  const int fd = with_child([&](int end) {
    auto buffer = some_bytes(at_once);
    for (std::size_t got = 0; got < total;) {
      const ssize_t size = ::read(end, buffer.data(), buffer.size());
      check(size > 0, "read");
      got += static_cast<std::size_t>(size);
    }
    write_all(end, buffer.data(), 1);
  });
  const auto buffer = some_bytes(at_once);
  const auto start = clock_type::now();
  for (std::size_t left = total; left != 0;) {
    const std::size_t part = std::min(left, at_once);
    write_all(fd, buffer.data(), part);
    left -= part;
  }
  char done;
  check(::read(fd, &done, 1) == 1, "read");
  const double seconds = seconds_since(start);
  ::close(fd);
  ::wait(nullptr);
  return seconds;
}

double raw_round_trip_seconds(std::uint64_t count, std::size_t size)
{
  const int fd = with_child([&](int end) {
    auto buffer = some_bytes(size);
    while (::read(end, buffer.data(), size) > 0) write_all(end, buffer.data(), size);
  });
  auto buffer = some_bytes(size);
  const auto start = clock_type::now();
  for (std::uint64_t left = count; left != 0; --left) {
    write_all(fd, buffer.data(), size);
    check(::read(fd, buffer.data(), size) > 0, "read");
  }
  const double seconds = seconds_since(start);
  ::close(fd);
  ::wait(nullptr);
  return seconds;
}

double node_seconds(const char* name, std::uint64_t count)
{
  const char* const folder = std::getenv("COHORT_BENCHMARKS");
  check(folder != nullptr, "COHORT_BENCHMARKS is not set; use benchmarks/run");
  const std::string command = std::string("node '") + folder + "/peers/node_messages.js' " + name +
                              ' ' + std::to_string(count);
  FILE* const output = ::popen(command.c_str(), "r");
  check(output != nullptr, "popen");
  double seconds = 0;
  check(std::fscanf(output, "%lf", &seconds) == 1, "node_messages.js");
  check(::pclose(output) == 0, "node_messages.js");
  return seconds;
}

double median(std::vector<double> values)
{
  std::nth_element(values.begin(), values.begin() + rounds / 2, values.end());
  return values[rounds / 2];
}

// Rates are better when they are higher.
void compare(const char* what, const char* metric, const char* unit, const char* peer,
    const std::function<double()>& ours, const std::function<double()>& theirs, bool higher)
{
  std::vector<double> cohort_figures, peer_figures;
  for (int i = 0; i != rounds; ++i) {
    cohort_figures.push_back(ours());
    peer_figures.push_back(theirs());
  }
  const double a = median(cohort_figures), b = median(peer_figures);
  std::printf("%s | %s | %s | %.4g | %s | %.4g | %.2f\n", what, metric, unit, a, peer, b,
      higher ? a / b : b / a);
  std::fflush(stdout);
}

// Size of a frame on the wire.
template <class Codec, class Message>
std::size_t frame_size(const Message& message)
{
  cohort::byte_sink sink;
  Codec::encode(message, sink);
  return cohort::detail::wire::message_head_size + sink.size();
}

} // namespace

int main()
{
  using json = cohort::json_codec;
  using binary = cohort::binary_codec;
  request_served message;
  message.path = "/index.html?user=12345678";
  const std::size_t frame = frame_size<binary>(message);
  const std::size_t question_frame = frame_size<binary>(question());

  constexpr std::uint64_t many = 1'000'000, some = 100'000, few = 20'000, blocks = 500;
  compare(
      "one way, JSON", "rate", "messages/s", "Node",
      [] { return many / cohort_seconds<json>(send_one_way<json>, many); },
      [] { return some / node_seconds("one_way", some); }, true);
  compare(
      "one way, binary", "rate", "messages/s", "Node",
      [] { return many / cohort_seconds<binary>(send_one_way<binary>, many); },
      [] { return some / node_seconds("one_way", some); }, true);
  compare(
      "one way, binary", "rate", "messages/s", "raw socketpair",
      [] { return many / cohort_seconds<binary>(send_one_way<binary>, many); },
      [&] { return many / raw_one_way_seconds(many * frame, batch); }, true);
  compare(
      "one way, binary, awaited one by one", "rate", "messages/s", "Node",
      [] {
        return many / cohort_seconds<binary>(send_one_way<binary>, many, answer_one_by_one<binary>);
      },
      [] { return some / node_seconds("one_way", some); }, true);
  compare(
      "round trip, binary", "time", "us", "raw socketpair",
      [] { return 1e6 * cohort_seconds<binary>(go_round<binary>, some) / some; },
      [&] { return 1e6 * raw_round_trip_seconds(some, question_frame) / some; }, false);
  compare(
      "round trip, JSON", "time", "us", "Node",
      [] { return 1e6 * cohort_seconds<json>(go_round<json>, some) / some; },
      [] { return 1e6 * node_seconds("round_trip", few) / few; }, false);
  compare(
      "1 MiB, binary", "rate", "MiB/s", "raw socketpair",
      [] { return blocks / cohort_seconds<binary>(send_blocks<binary>, blocks); },
      [&] { return blocks / raw_one_way_seconds(blocks * mebibyte, mebibyte); }, true);
  compare(
      "with a descriptor", "rate", "messages/s", "Node",
      [] { return some / cohort_seconds<binary>(send_handles<binary>, some); },
      [] { return few / node_seconds("handle", few); }, true);
}
