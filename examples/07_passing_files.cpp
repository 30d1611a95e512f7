// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Passes open files along with messages: the primary gives a worker a file to count lines in, and
// the worker gives back 64 MiB of shared memory that it has filled, without a copy.
//
// Shows `cohort::handle` with files and memfds, sent and received.
//
//   07_passing_files [FILE]       FILE: this program's own, unless said

#include <asio.hpp>
#include <boost/describe.hpp>
#include <cohort.hpp>

#include <algorithm>
#include <cstdint>
#include <fcntl.h>
#include <iostream>
#include <string>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>
#include <vector>

struct count_lines {
  std::string name;
};
struct lines_counted {
  std::uint64_t lines = 0;
};
struct buffer_filled {
  std::uint64_t size = 0;
  std::uint8_t value = 0;
};
BOOST_DESCRIBE_STRUCT(count_lines, (), (name))
BOOST_DESCRIBE_STRUCT(lines_counted, (), (lines))
BOOST_DESCRIBE_STRUCT(buffer_filled, (), (size, value))

using protocol = cohort::protocol<cohort::to_primary<lines_counted, buffer_filled>,
    cohort::to_worker<count_lines>>;

constexpr std::size_t buffer_size = 64 * 1024 * 1024;

void check(bool good, const char* what)
{
  if (!good) throw std::system_error(errno, std::system_category(), what);
}

// Memory that this process and whoever gets the descriptor see alike.
class shared_buffer {
public:
  explicit shared_buffer(int fd)
      : bytes_(::mmap(nullptr, buffer_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0))
  {
    check(bytes_ != MAP_FAILED, "mmap");
  }
  shared_buffer(const shared_buffer&) = delete;
  shared_buffer& operator=(const shared_buffer&) = delete;
  ~shared_buffer() { ::munmap(bytes_, buffer_size); }

  std::uint8_t* begin() { return static_cast<std::uint8_t*>(bytes_); }
  std::uint8_t* end() { return begin() + buffer_size; }

private:
  void* bytes_;
};

std::uint64_t lines_of(int file)
{
  std::uint64_t lines = 0;
  std::vector<char> part(1024 * 1024);
  for (;;) {
    const ssize_t size = ::read(file, part.data(), part.size());
    check(size >= 0, "read");
    if (size == 0) return lines;
    lines += static_cast<std::uint64_t>(std::count(part.begin(), part.begin() + size, '\n'));
  }
}

asio::awaitable<void> serve(cohort::basic_this_worker<protocol>& self)
{
  auto asked = co_await self.receive<count_lines>();
  check(!asked.handles.empty(), "no file has come");
  lines_counted counted;
  counted.lines = lines_of(asked.handles.front().native_handle());
  self.send(counted);

  cohort::handle memory = cohort::handle::adopt(::memfd_create("filled", MFD_CLOEXEC));
  check(::ftruncate(memory.native_handle(), buffer_size) == 0, "ftruncate");
  buffer_filled filled;
  filled.size = buffer_size;
  filled.value = 42;
  shared_buffer buffer(memory.native_handle());
  std::fill(buffer.begin(), buffer.end(), filled.value);
  self.send(filled, std::move(memory));
  co_await self.flushed();
}

std::string name = "/proc/self/exe";

asio::awaitable<void> supervise(cohort::cluster<cohort::round_robin, protocol>& cluster)
{
  auto worker = co_await cluster.co_fork();
  count_lines question;
  question.name = name;
  const int file = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
  check(file >= 0, name.c_str());
  worker.send(question, cohort::handle::adopt(file));
  auto counted = co_await worker.receive<lines_counted>();
  std::cout << name << " has " << counted.message.lines << " lines" << std::endl;

  auto filled = co_await worker.receive<buffer_filled>();
  check(!filled.handles.empty(), "no memory has come");
  cohort::handle memory = std::move(filled.handles.front());
  shared_buffer buffer(memory.native_handle());
  const auto same = std::count(buffer.begin(), buffer.end(), filled.message.value);
  std::cout << same << " of " << filled.message.size << " bytes in a " << to_string(memory.kind())
            << " are " << int(filled.message.value) << std::endl;
  co_await cluster.disconnect();
}

int main(int argc, char** argv)
{
  if (argc == 2) name = argv[1];
  return cohort::run(argc, argv, supervise, serve);
}
