# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
#
# Sourced by .ci/run: tests wait much for others, and what they leave of the processors builds what
# a later step needs. That step waits for it, and then builds as ever: what went wrong here goes
# wrong there again, and shows.

ahead_step= # for which something is built, by the session ahead_session
ahead_session=

# Two compilers with sanitizers take up to 12 GiB, beside what the running step takes.
enough_memory_to_build_ahead()
{
  awk -v jobs="$jobs" '/^MemAvailable:/ { found = $2 >= jobs * 8 * 1024 * 1024 }
    END { exit !found }' /proc/meminfo
}

# set_nice NICE: for all of the session, and for the session among others where the kernel divides
# the processors by sessions. To be less nice again not everybody may.
set_nice()
{
  {
    echo "$1" >"/proc/$ahead_session/autogroup" || true
    pgrep -s "$ahead_session" | xargs -r renice -n "$1" -p || true
  } >/dev/null 2>&1
}

# A session of its own has all that it starts in it, whatever process groups there are.
start_building_ahead() # STEP
{
  enough_memory_to_build_ahead || return 0
  ahead_step=$1
  setsid "$root/.ci/run" --build "$1" </dev/null >"$logs/$1.build.log" 2>&1 &
  ahead_session=$!
  # Its leader may still be on its way into the session.
  until pgrep -s "$ahead_session" >/dev/null || ! kill -0 "$ahead_session" 2>/dev/null; do
    sleep 0.1
  done
  set_nice 19
}

finish_building_ahead() # STEP
{
  [ "$ahead_step" = "$1" ] || return 0
  set_nice 0
  wait "$ahead_session" || true
  ahead_step= ahead_session=
}

stop_building_ahead()
{
  [ -n "$ahead_session" ] || return 0
  # Before it has its session it is only a process.
  kill "$ahead_session" 2>/dev/null || true
  while pgrep -s "$ahead_session" >/dev/null; do
    pkill -s "$ahead_session" || true
    sleep 0.1
  done
}
