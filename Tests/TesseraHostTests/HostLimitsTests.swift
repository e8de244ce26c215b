import TesseraHost
import TestSupport
import Testing

/// A machine of 8 cores as a container may see it, in a folder of its own.
@Suite("Limits of the machine and of the container")
struct HostLimitsTests {
  let root: ScratchFolder
  var limits: HostLimits { HostLimits(root: root.path) }

  init() throws {
    root = try ScratchFolder()
    try root.write("Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n", "proc/self/status")
    try root.write("MemTotal: 999 kB\nMemAvailable:   81920 kB\n", "proc/meminfo")
  }

  private static let mebibyte = 1 << 20

  @Test("version 2: the group's own limit, and what it holds that cannot be dropped")
  func version2() throws {
    try root.write("0::/box\n", "proc/self/cgroup")
    try root.write("104857600\n", "sys/fs/cgroup/box/memory.max")
    try root.write("62914560\n", "sys/fs/cgroup/box/memory.current")
    try root.write("anon 5\ninactive_file 10485760\n", "sys/fs/cgroup/box/memory.stat")
    #expect(limits.memoryBytes == 100 * Self.mebibyte)
    #expect(limits.availableBytes == 50 * Self.mebibyte)
  }

  @Test("version 2: a group above the own one may allow less")
  func nested() throws {
    try root.write("0::/pod/box/inner\n", "proc/self/cgroup")
    try root.write("max\n", "sys/fs/cgroup/pod/box/inner/memory.max")
    try root.write("104857600\n", "sys/fs/cgroup/pod/box/memory.max")
    try root.write("52428800\n", "sys/fs/cgroup/pod/memory.max")
    #expect(limits.memoryBytes == 50 * Self.mebibyte)
    try root.write("max 100000\n", "sys/fs/cgroup/pod/box/inner/cpu.max")
    try root.write("300000 100000\n", "sys/fs/cgroup/pod/box/cpu.max")
    #expect(limits.cores == 3)
  }

  @Test("version 1: each controller has folders of its own")
  func version1() throws {
    try root.write(
      "5:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n1:name=systemd:/\n", "proc/self/cgroup")
    let memory = "sys/fs/cgroup/memory/docker/x"
    try root.write("104857600\n", "\(memory)/memory.limit_in_bytes")
    try root.write("31457280\n", "\(memory)/memory.usage_in_bytes")
    try root.write("total_inactive_file 0\n", "\(memory)/memory.stat")
    try root.write("150000\n", "sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us")
    try root.write("100000\n", "sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us")
    #expect(limits.memoryBytes == 100 * Self.mebibyte)
    #expect(limits.availableBytes == 70 * Self.mebibyte)
    #expect(limits.cores == 2)
  }

  @Test("version 1 writes no limit as a number near 2^63, and no quota as -1")
  func unlimited() throws {
    let unbounded = limits.memoryBytes
    try root.write("5:memory:/\n3:cpu:/\n", "proc/self/cgroup")
    try root.write("9223372036854771712\n", "sys/fs/cgroup/memory/memory.limit_in_bytes")
    try root.write("-1\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    try root.write("100000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us")
    #expect(limits.memoryBytes == unbounded)
    #expect(limits.cores == 8)
  }

  @Test("a path that is the host's, and not there: the mount is the container's own group")
  func hostPath() throws {
    try root.write("0::/system.slice/docker-1.scope\n", "proc/self/cgroup")
    try root.write("104857600\n", "sys/fs/cgroup/memory.max")
    try root.write("50000 100000\n", "sys/fs/cgroup/cpu.max")
    #expect(limits.memoryBytes == 100 * Self.mebibyte)
    #expect(limits.cores == 1)
  }

  @Test(
    "cores are those of the mask that taskset sets",
    arguments: [("5", 2), ("00000000,00000001", 1), ("ffffffff,ffffffff", 64)])
  func mask(_ mask: String, _ count: Int) throws {
    try root.write("Cpus_allowed:\t\(mask)\n", "proc/self/status")
    #expect(limits.cores == count)
  }

  @Test("files that are missing or hold nonsense are no limits")
  func nonsense() throws {
    let empty = HostLimits(root: root("nowhere"))
    #expect(empty.cores >= 1 && empty.memoryBytes > 0 && empty.availableBytes > 0)
    try root.write("nonsense\n::\n0::\n", "proc/self/cgroup")
    try root.write("0 0\n", "sys/fs/cgroup/cpu.max")
    try root.write("-5\n", "sys/fs/cgroup/memory.max")
    #expect(limits.cores == 8)
    #expect(limits.memoryBytes == empty.memoryBytes)
  }
}
