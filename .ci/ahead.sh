# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
#
# Sourced by .ci/run: tests wait much for others, and what they leave of the processors does what
# later steps need. Such a step waits for it. What was only built it builds as ever: what went wrong
# here goes wrong there again, and shows. A step that has nothing to wait for itself is done here as
# a whole, and its turn shows how it went.

ahead_steps= # what is done by the session ahead_session
ahead_session=

# What `.ci/run --ahead STEP...` does: all at the same time, as some have work for one processor only.
do_ahead()
{
  local step
  for step in "$@"; do
    step_ahead "$step" &
  done
  wait
}

step_ahead() # STEP
{
  if declare -F "build_$1" >/dev/null; then
    # What went wrong is of no consequence here.
    "build_$1"
  elif [ -n "${whole_ahead[$1]-}" ]; then
    do_step "$1" >/dev/null
  else
    fail "nothing can be done ahead of ${1:-no step}"
  fi
}

# do_step STEP: its output, also in its log, and its status in a file.
do_step()
{
  local status
  # Not as `step || ...`, which would switch errexit off inside the step.
  set +e
  (
    set -e
    "step_$1"
  ) 2>&1 | tee "$logs/$1.log"
  status=${PIPESTATUS[0]}
  set -e
  echo "$status" >"$logs/$1.status"
}

# Two compilers with sanitizers take up to 12 GiB, beside what the running step takes.
enough_memory_ahead()
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
start_ahead() # STEP...
{
  enough_memory_ahead || return 0
  ahead_steps=" $* "
  setsid "$root/.ci/run" --ahead "$@" </dev/null >"$logs/ahead.log" 2>&1 &
  ahead_session=$!
  # Its leader may still be on its way into the session.
  until pgrep -s "$ahead_session" >/dev/null || ! kill -0 "$ahead_session" 2>/dev/null; do
    sleep 0.1
  done
  set_nice 19
}

finish_ahead() # STEP
{
  [[ $ahead_steps == *" $1 "* ]] || return 0
  set_nice 0
  wait "$ahead_session" || true
  ahead_steps= ahead_session=
}

stop_ahead()
{
  [ -n "$ahead_session" ] || return 0
  # Before it has its session it is only a process.
  kill "$ahead_session" 2>/dev/null || true
  while pgrep -s "$ahead_session" >/dev/null; do
    pkill -s "$ahead_session" || true
    sleep 0.1
  done
}
