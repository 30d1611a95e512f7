// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

// What a program meets first
#include <cohort/overflow.hpp>
#include <cohort/run.hpp>

// In the primary
#include <cohort/cluster.hpp>
#include <cohort/listening_primary.hpp>
#include <cohort/subscription.hpp>
#include <cohort/worker.hpp>
#include <cohort/worker_process.hpp>

// In the worker
#include <cohort/acceptor.hpp>
#include <cohort/any_host.hpp>
#include <cohort/bound_socket.hpp>
#include <cohort/connection.hpp>
#include <cohort/connection_scope.hpp>
#include <cohort/listening_endpoint.hpp>
#include <cohort/peer_endpoint.hpp>
#include <cohort/this_worker.hpp>
#include <cohort/unix_path.hpp>

// Keeping workers up
#include <cohort/autoscale.hpp>
#include <cohort/group.hpp>
#include <cohort/inherited_sockets.hpp>
#include <cohort/reload.hpp>
#include <cohort/service_manager.hpp>
#include <cohort/supervisor.hpp>
#include <cohort/upgrade.hpp>

// Messages
#include <cohort/envelope.hpp>
#include <cohort/handle.hpp>
#include <cohort/message/binary.hpp>
#include <cohort/message/codec.hpp>
#include <cohort/message/json.hpp>
#include <cohort/message/protocol.hpp>
#include <cohort/message_channel.hpp>
#include <cohort/send_status.hpp>

// How connections are spread
#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/from_environment.hpp>
#include <cohort/scheduling/least_connections.hpp>
#include <cohort/scheduling/measure.hpp>
#include <cohort/scheduling/policy.hpp>
#include <cohort/scheduling/power_of_two.hpp>
#include <cohort/scheduling/proxy_header.hpp>
#include <cohort/scheduling/random.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/scheduling/slow_start.hpp>
#include <cohort/scheduling/sticky.hpp>
#include <cohort/scheduling/weighted.hpp>
#include <cohort/scheduling/when_full.hpp>
#include <cohort/scheduling/wrapper.hpp>

// Vocabulary
#include <cohort/candidate.hpp>
#include <cohort/channel_options.hpp>
#include <cohort/config.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/counters.hpp>
#include <cohort/drain_steps.hpp>
#include <cohort/environment.hpp>
#include <cohort/error.hpp>
#include <cohort/event.hpp>
#include <cohort/exit_status.hpp>
#include <cohort/inherited_fd.hpp>
#include <cohort/inherited_socket.hpp>
#include <cohort/listen_options.hpp>
#include <cohort/metrics.hpp>
#include <cohort/process_group.hpp>
#include <cohort/reload_options.hpp>
#include <cohort/reload_result.hpp>
#include <cohort/resource_limit.hpp>
#include <cohort/restart_policy.hpp>
#include <cohort/settings.hpp>
#include <cohort/stdio.hpp>
#include <cohort/supervisor_options.hpp>
#include <cohort/totals.hpp>
#include <cohort/upgrade_options.hpp>
#include <cohort/upgrade_result.hpp>
#include <cohort/worker_id.hpp>
