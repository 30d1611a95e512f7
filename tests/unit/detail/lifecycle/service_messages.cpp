// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/service_messages.hpp>

#include <doctest/doctest.h>

#include <string>

namespace service_messages_test {

namespace messages = cohort::detail::service_messages;

TEST_CASE("a status is one line, whatever is in it")
{
  CHECK(messages::status("web 4/4") == "STATUS=web 4/4\n");
  CHECK(messages::status("") == "STATUS=\n");
  CHECK(messages::status("a\nREADY=1\n") == "STATUS=a READY=1 \n");
  CHECK(messages::status(std::string("a\0b\x1f\x7f\t", 6)) == "STATUS=a b   \n");
  CHECK(messages::status("\xc3\xa4") == "STATUS=\xc3\xa4\n");
}

TEST_CASE("a long status is cut off, and not within a character")
{
  const std::string full(messages::longest_status, 'x');
  CHECK(messages::status(full) == "STATUS=" + full + '\n');
  CHECK(messages::status(full + 'x') == "STATUS=" + full + '\n');
  const std::string ahead(messages::longest_status - 1, 'x');
  CHECK(messages::status(ahead + "\xc3\xa4") == "STATUS=" + ahead + '\n');
  CHECK(messages::status(ahead + "x\xc3\xa4") == "STATUS=" + ahead + "x\n");
  CHECK(messages::status(std::string(2000, '\xa4')) == "STATUS=\n");
}

TEST_CASE("numbers are said in full")
{
  CHECK(messages::reloading(std::chrono::microseconds(1'234'567'890'123)) ==
        "RELOADING=1\nMONOTONIC_USEC=1234567890123\n");
  CHECK(messages::main_pid(4'194'303) == "MAINPID=4194303\n");
}

} // namespace service_messages_test
