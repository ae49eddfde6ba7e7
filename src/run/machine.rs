//! What the machine gives: cores, memory, and how much of it was used.

/// The share of the memory that operators may hold where nothing else is said.
const DEFAULT_SHARE: f64 = 0.7;
/// What is assumed where the system tells nothing.
const FALLBACK_MEMORY: u64 = 4 << 30;

/// The cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The memory that operators may hold by default: 70 % of the cgroup's limit, or of the machine's memory.
pub fn default_memory_limit() -> usize {
    let cgroup = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .into_iter()
    .filter_map(|path| std::fs::read_to_string(path).ok())
    .find_map(|text| text.trim().parse::<u64>().ok());
    let machine = kibibytes("/proc/meminfo", "MemTotal:");
    let memory = match (cgroup, machine) {
        (Some(cgroup), Some(machine)) => cgroup.min(machine),
        (one, other) => one.or(other).unwrap_or(FALLBACK_MEMORY),
    };
    (memory as f64 * DEFAULT_SHARE) as usize
}

/// The most memory that this process has held so far, where the system tells.
pub fn peak_memory() -> Option<u64> {
    kibibytes("/proc/self/status", "VmHWM:")
}

fn kibibytes(path: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kibibytes| kibibytes * 1024)
}
