// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/offer_book.hpp>

#include <doctest/doctest.h>

#include <cstdint>

namespace offer_book_test {

using book_type = cohort::detail::offer_book<int>;

namespace {

void assign(book_type& book, int count)
{
  for (int i = 0; i != count; ++i) {
    cohort::detail::offer<int> one;
    one.connection = i;
    book.assign(std::move(one));
  }
}

// A book with `count` sent offers, numbered from 10.
book_type sent(int count)
{
  book_type book(10);
  assign(book, count);
  book.run_sent(book.run(64, {}).size());
  return book;
}

} // namespace

TEST_CASE("what is assigned is sent in runs, with consecutive numbers from run to run")
{
  book_type book(10);
  assign(book, 5);
  CHECK(book.unsent() == 5);
  const auto first = book.run(3, {});
  REQUIRE(first.size() == 3);
  CHECK(first[0].sequence == 10);
  CHECK(first[2].sequence == 12);
  book.run_sent(3);
  const auto second = book.run(3, {});
  REQUIRE(second.size() == 2);
  CHECK(second[0].sequence == 13);
  CHECK(second[0].connection == 3);
  book.run_sent(2);
  CHECK(book.unsent() == 0);
  CHECK(book.size() == 5);
  CHECK(book.next_sequence() == 15);
}

TEST_CASE("numbers of a run that was not sent are used again")
{
  book_type book(10);
  assign(book, 2);
  CHECK(book.run(64, {}).front().sequence == 10);
  CHECK(book.run(64, {}).front().sequence == 10);
  CHECK(book.next_sequence() == 10);
}

TEST_CASE("an answer is found only when all that it names are open")
{
  const book_type book = sent(4); // 10 to 13
  CHECK(book.find(10, 4) == 0);
  CHECK(book.find(12, 2) == 2);
  CHECK(book.find(9, 1) == book.npos);
  CHECK(book.find(13, 2) == book.npos);
  CHECK(book.find(14, 1) == book.npos);
  CHECK(book.find(10, 0) == book.npos);
  CHECK(book.find(10, UINT16_MAX) == book.npos);
  CHECK(book.find(UINT64_MAX, 2) == book.npos);
}

TEST_CASE("an answer to what was answered already is not found")
{
  book_type book = sent(4);
  book.erase(1, 1); // 11
  CHECK(book.find(10, 1) == 0);
  CHECK(book.find(10, 2) == book.npos);
  CHECK(book.find(10, 3) == book.npos);
  CHECK(book.find(11, 1) == book.npos);
  CHECK(book.find(12, 2) == 1);
}

TEST_CASE("what was not sent yet cannot be answered")
{
  book_type book = sent(1);
  assign(book, 1);
  CHECK(book.find(11, 1) == book.npos);
  book.erase(1, 1);
  CHECK(book.unsent() == 0);
  CHECK(book.size() == 1);
}

} // namespace offer_book_test
