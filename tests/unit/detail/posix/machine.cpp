// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/machine.hpp>

#include <doctest/doctest.h>

#include "support/scratch.hpp"

#include <cstdlib>
#include <filesystem>
#include <ostream>

namespace machine_test {

using namespace cohort::detail::posix;
namespace fs = std::filesystem;

namespace {

// A folder that stands for "/".
struct fake_root {
  void write(const std::string& file, const std::string& text) const
  {
    fs::create_directories(fs::path(path + file).parent_path());
    std::ofstream(path + file) << text;
  }
  void v2(const std::string& group, const std::string& mount_root = "/") const
  {
    write("/proc/self/cgroup", "0::" + group + "\n");
    write("/proc/self/mountinfo", "22 1 0:5 / /proc rw - proc proc rw\n"
                                  "30 23 0:26 " +
                                      mount_root +
                                      " /cg rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }

  cohort_test::scratch_directory folder;
  const std::string& path = folder.path();
};

struct affinity_guard {
  affinity_guard() { ::sched_getaffinity(0, sizeof old, &old); }
  ~affinity_guard() { ::sched_setaffinity(0, sizeof old, &old); }
  cpu_set_t old;
};

} // namespace

TEST_CASE("the executable's path leads to this program")
{
  const auto path = executable_path();
  CHECK(path.front() == '/');
  CHECK(fs::equivalent(path, "/proc/self/exe"));
}

TEST_CASE("the thread's affinity bounds the processors")
{
  const affinity_guard guard;
  CHECK(affinity_cpus() == static_cast<unsigned>(CPU_COUNT(&guard.old)));
  CHECK(available_cpus() >= 1);
  CHECK(available_cpus() <= affinity_cpus());
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu != CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &guard.old)) continue;
    CPU_SET(cpu, &one);
    break;
  }
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(affinity_cpus() == 1);
  CHECK(available_cpus() == 1);
}

TEST_CASE("without control groups there is no quota")
{
  const fake_root root;
  CHECK(!cgroup_cpus(root.path));
  root.v2("/");
  CHECK(!cgroup_cpus(root.path));
  root.write("/cg/cpu.max", "max 100000\n");
  CHECK(!cgroup_cpus(root.path));
  root.write("/cg/cpu.max", "nonsense");
  CHECK(!cgroup_cpus(root.path));
  root.write("/cg/cpu.max", "100000 0");
  CHECK(!cgroup_cpus(root.path));
  root.write("/proc/self/cgroup", "nonsense\n\n:\n");
  root.write("/proc/self/mountinfo", "nonsense\n - \n1 2 - cgroup2\n");
  CHECK(!cgroup_cpus(root.path));
}

TEST_CASE("version 2: the tightest of the own group and those above it counts")
{
  const fake_root root;
  root.v2("/a/b c");
  root.write("/cg/a/b c/cpu.max", "250000 100000\n");
  CHECK(cgroup_cpus(root.path) == 2.5);
  root.write("/cg/a/cpu.max", "50000 100000\n");
  CHECK(cgroup_cpus(root.path) == 0.5);
  root.write("/cg/a/cpu.max", "max 100000\n");
  root.write("/cg/cpu.max", "200000 100000\n");
  CHECK(cgroup_cpus(root.path) == 2.0);
  // A neighbour's limit is not ours.
  root.write("/cg/x/cpu.max", "1000 100000\n");
  CHECK(cgroup_cpus(root.path) == 2.0);
}

TEST_CASE("in a container the path may start above what is mounted")
{
  const fake_root root;
  root.write("/cg/cpu.max", "300000 100000\n");
  root.write("/cg/inner/cpu.max", "100000 100000\n");
  root.v2("/docker/1", "/docker/1");
  CHECK(cgroup_cpus(root.path) == 3.0);
  root.v2("/docker/1/inner", "/docker/1");
  CHECK(cgroup_cpus(root.path) == 1.0);
  root.v2("/docker/12/inner", "/docker/1");
  CHECK(cgroup_cpus(root.path) == 3.0);
  root.v2("/../../other", "/");
  CHECK(cgroup_cpus(root.path) == 3.0);
}

TEST_CASE("version 1: quota and period of the controller named cpu")
{
  const fake_root root;
  root.write("/proc/self/cgroup", "3:cpuset:/set\n2:cpuacct,cpu:/a\n1:name=systemd:/x\n");
  root.write("/proc/self/mountinfo", "31 23 0:27 / /set rw - cgroup cgroup rw,cpuset\n"
                                     "32 23 0:28 / /c\\040pu rw - cgroup cgroup rw,cpu,cpuacct\n");
  root.write("/set/set/cpu.cfs_quota_us", "1");
  root.write("/set/set/cpu.cfs_period_us", "1");
  CHECK(!cgroup_cpus(root.path));
  root.write("/c pu/a/cpu.cfs_quota_us", "-1\n");
  root.write("/c pu/a/cpu.cfs_period_us", "100000\n");
  CHECK(!cgroup_cpus(root.path));
  root.write("/c pu/a/cpu.cfs_quota_us", "150000\n");
  CHECK(cgroup_cpus(root.path) == 1.5);
  root.write("/c pu/cpu.cfs_quota_us", "10000\n");
  root.write("/c pu/cpu.cfs_period_us", "100000\n");
  CHECK(cgroup_cpus(root.path) == 0.1);
}

TEST_CASE("both versions mounted together are both asked")
{
  const fake_root root;
  root.write("/proc/self/cgroup", "1:cpu:/\n0::/\n");
  root.write("/proc/self/mountinfo", "31 23 0:27 / /one rw - cgroup cgroup rw,cpu\n"
                                     "32 23 0:28 / /two rw - cgroup2 cgroup2 rw\n");
  root.write("/one/cpu.cfs_quota_us", "400000");
  root.write("/one/cpu.cfs_period_us", "100000");
  CHECK(cgroup_cpus(root.path) == 4.0);
  root.write("/two/cpu.max", "200000 100000");
  CHECK(cgroup_cpus(root.path) == 2.0);
}

TEST_CASE("the path by which this process was started is absolute and leads to this program")
{
  const std::string path = started_path();
  CHECK(path.starts_with('/'));
  CHECK(std::filesystem::equivalent(path, executable_path()));
}

} // namespace machine_test
