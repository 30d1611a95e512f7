// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A program of somebody who has installed the library.

#include <cohort.hpp>

#include <asio/io_context.hpp>

int main()
{
  asio::io_context context(1);
  // Its messages need what Boost.JSON compiles.
  cohort::cluster<> cluster(context);
  return cluster.broadcast(boost::json::value("nobody")) == 0 ? 0 : 1;
}
