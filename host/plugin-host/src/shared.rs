//! What the host, the thread that loads and the sources handed out have in common.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use model::seams::{PluginError, PluginKind};

use crate::access::Means;
use crate::config::PluginsConfig;
use crate::engine::Machine;
use crate::grants::{Grants, HttpGrant};
use crate::loaded::Loaded;
use crate::loader::Job;
use crate::slot::{Origin, Slot};
use crate::standing::Standing;

pub(crate) struct Shared {
    pub(crate) machine: Machine,
    pub(crate) means: Means,
    pub(crate) config: ArcSwap<PluginsConfig>,
    /// Counts configurations, so that what was made of one is made anew after a reload.
    pub(crate) generation: AtomicU64,
    pub(crate) slots: ArcSwap<BTreeMap<String, Arc<Slot>>>,
    /// The flag, which wins over the configuration.
    pub(crate) dir_flag: Option<PathBuf>,
    pub(crate) kv_dir: PathBuf,
    /// To the thread that loads. None once the host is gone, which ends it.
    pub(crate) jobs: Mutex<Option<Sender<Job>>>,
}

impl Shared {
    /// The watched folder.
    pub(crate) fn dir(&self) -> PathBuf {
        self.dir_of(&self.config.load())
    }

    /// The folder that would be watched with this configuration.
    pub(crate) fn dir_of(&self, config: &PluginsConfig) -> PathBuf {
        let written = config.dir.clone().unwrap_or_else(|| PathBuf::from("plugins"));
        self.dir_flag.clone().unwrap_or_else(|| self.means.base_dir.join(written))
    }

    pub(crate) fn slot(&self, name: &str) -> Option<Arc<Slot>> {
        self.slots.load().get(name).cloned()
    }

    /// Only the thread that loads makes slots.
    pub(crate) fn slot_or_new(&self, name: &str) -> Arc<Slot> {
        if let Some(slot) = self.slot(name) {
            return slot;
        }
        let standing = Arc::new(Standing::new(name, &self.kv_dir));
        if let Some(config) = self.config.load().get(name) {
            standing.apply(&config.limits);
        }
        let slot = Arc::new(Slot::new(standing, None));
        let mut slots = BTreeMap::clone(&self.slots.load());
        slots.insert(name.to_owned(), Arc::clone(&slot));
        self.slots.store(Arc::new(slots));
        slot
    }

    pub(crate) fn missing(&self, name: &str) -> PluginError {
        PluginError::Missing(format!("there is no plugin {name}: put {name}.wasm into {}", self.dir().display()))
    }

    /// The plugin of a name, which must be of this kind. Compiles an embedded one at its first use, which blocks for as long
    /// as that takes.
    pub(crate) fn loaded(&self, name: &str, kind: PluginKind) -> Result<Arc<Loaded>, PluginError> {
        let slot = self.slot(name).ok_or_else(|| self.missing(name))?;
        let state = slot.state();
        let loaded = match &state.loaded {
            Some(loaded) => Arc::clone(loaded),
            None if state.origin == Some(Origin::Embedded) => self.load(name)?,
            None if state.error.is_empty() => return Err(self.missing(name)),
            None => return Err(PluginError::Failed(state.error.clone())),
        };
        if loaded.inspection.kinds.contains(&kind) {
            return Ok(loaded);
        }
        let kinds: Vec<&str> = loaded.inspection.kinds.iter().map(|k| k.as_str()).collect();
        Err(PluginError::Missing(format!("the plugin {name} is no {}: it is {}", kind.as_str(), kinds.join(", "))))
    }

    fn load(&self, name: &str) -> Result<Arc<Loaded>, PluginError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let gone = || PluginError::Failed(format!("plugin {name} is not loaded: Skopos is shutting down"));
        self.send(Job::Load(name.to_owned(), answer)).map_err(|()| gone())?;
        answered.recv().map_err(|_| gone())?
    }

    pub(crate) fn send(&self, job: Job) -> Result<(), ()> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or(())
    }

    /// Grants that stand under the plugin's name, or come with the bundle for a plugin that is the bundle's.
    pub(crate) fn grants(&self, name: &str) -> Grants {
        let mut grants = self.config.load().get(name).map(|config| config.grants.clone()).unwrap_or_default();
        if self.slot(name).is_some_and(|slot| slot.embedded.is_some()) {
            grants.extend(&embedded_grants(name));
        }
        grants.based_on(&self.means.base_dir)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// Files of the kernel, with numbers of the machine and nothing of its processes or users; and what the distribution and udev
/// say of it.
const NODE_READS: [&str; 32] = [
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/arp",
    "/proc/net/dev",
    "/proc/net/netstat",
    "/proc/net/snmp",
    "/proc/net/snmp6",
    "/proc/net/sockstat",
    "/proc/net/sockstat6",
    "/proc/net/softnet_stat",
    "/proc/net/stat/nf_conntrack",
    "/proc/net/udp",
    "/proc/net/udp6",
    "/proc/pressure/*",
    "/proc/stat",
    "/proc/sys/fs/file-nr",
    "/proc/sys/kernel/random/entropy_avail",
    "/proc/sys/kernel/random/poolsize",
    "/proc/sys/net/netfilter/nf_conntrack_count",
    "/proc/sys/net/netfilter/nf_conntrack_max",
    "/proc/vmstat",
    "/sys/class/dmi/id/*",
    "/sys/class/net/*/*",
    "/sys/class/net/*/statistics/*",
    "/sys/devices/system/clocksource/*/*",
    "/sys/devices/system/cpu/*/cpufreq/*",
    "/sys/devices/system/cpu/*/thermal_throttle/*",
    "/sys/devices/system/cpu/*/topology/*",
    "/etc/os-release",
    "/usr/lib/os-release",
    "/run/udev/data/b*",
];

/// What the plugins of the bundle may do without a line of the operator's.
fn embedded_grants(name: &str) -> Grants {
    match name {
        "opengraph" => Grants { http: vec![HttpGrant::Public], ..Grants::default() },
        "node" => Grants { host_info: true, read: NODE_READS.map(str::to_owned).to_vec(), ..Grants::default() },
        "access-log" => Grants { kv: true, ..Grants::default() },
        _ => Grants::default(),
    }
}
