// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio.hpp>
#include <cohort.hpp>

#include <cstdlib>

/// What these programs have in common.
namespace node_cluster {

using asio::ip::tcp;

/// Clients of this machine only.
inline tcp::endpoint here(unsigned short port)
{
  return tcp::endpoint(asio::ip::address_v4::loopback(), port);
}

/// The port that the command line says at this place.
inline unsigned short port_argument(int argc, char** argv, int place, unsigned short otherwise)
{
  return place < argc ? static_cast<unsigned short>(std::atoi(argv[place])) : otherwise;
}

/// One worker, and no other one after it.
inline asio::awaitable<void> start_one(cohort::cluster<>& cluster) { co_await cluster.co_fork(); }

/// `main` of a program that is meant to be a worker of nc_master; started by hand it has one
/// worker.
template <class Serve>
int run_worker(int argc, char** argv, Serve serve)
{
  return cohort::run(argc, argv, start_one, serve);
}

} // namespace node_cluster
