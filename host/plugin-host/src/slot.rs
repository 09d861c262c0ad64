//! One name and what stands behind it now: an embedded component, a file, or an error.

use std::sync::Arc;

use arc_swap::ArcSwap;
use model::seams::PluginKind;

use crate::inspect::{Inspection, inspect};
use crate::loaded::Loaded;
use crate::standing::Standing;

/// Where a component comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Embedded,
    File,
}

/// One name.
pub(crate) struct Slot {
    pub(crate) standing: Arc<Standing>,
    pub(crate) embedded: Option<Embedded>,
    state: ArcSwap<SlotState>,
}

/// A component that came with the binary.
pub(crate) struct Embedded {
    pub(crate) bytes: &'static [u8],
    pub(crate) inspection: Result<Inspection, String>,
}

/// What stands behind a name now.
#[derive(Clone, Default)]
pub(crate) struct SlotState {
    pub(crate) origin: Option<Origin>,
    /// Known before anything is compiled.
    pub(crate) inspection: Option<Inspection>,
    /// None until first used, or if it does not load.
    pub(crate) loaded: Option<Arc<Loaded>>,
    /// Why a file is not used, or why this component does not load.
    pub(crate) error: String,
    /// The hash of content that does not load, so that it is not compiled again.
    pub(crate) failed_sha256: String,
}

impl Slot {
    pub(crate) fn new(standing: Arc<Standing>, embedded: Option<&'static [u8]>) -> Self {
        let embedded = embedded.map(|bytes| Embedded { bytes, inspection: inspect(bytes) });
        let slot = Self { standing, embedded, state: ArcSwap::default() };
        slot.back_to_embedded(String::new());
        slot
    }

    pub(crate) fn state(&self) -> Arc<SlotState> {
        self.state.load_full()
    }

    pub(crate) fn set(&self, state: SlotState) {
        self.state.store(Arc::new(state));
    }

    /// Changes one thing. Only the thread that loads plugins writes.
    pub(crate) fn update(&self, change: impl FnOnce(&mut SlotState)) {
        let mut state = (*self.state()).clone();
        change(&mut state);
        self.set(state);
    }

    /// No file stands behind the name any more. What is loaded of the embedded component stays.
    pub(crate) fn back_to_embedded(&self, error: String) {
        let old = self.state();
        let state = match &self.embedded {
            None => SlotState { error, ..SlotState::default() },
            Some(Embedded { inspection: Err(reason), .. }) => {
                SlotState { origin: Some(Origin::Embedded), error: reason.clone(), ..SlotState::default() }
            }
            Some(Embedded { inspection: Ok(inspection), .. }) => {
                let loaded = old.loaded.clone().filter(|loaded| loaded.inspection.sha256 == inspection.sha256);
                SlotState {
                    origin: Some(Origin::Embedded),
                    inspection: Some(inspection.clone()),
                    loaded,
                    error,
                    failed_sha256: old.failed_sha256.clone(),
                }
            }
        };
        self.set(state);
    }

    /// Whether something of this kind stands behind the name: loaded, or embedded and not tried yet.
    pub(crate) fn serves(&self, kind: PluginKind) -> bool {
        let state = self.state();
        match (&state.loaded, &state.inspection) {
            (Some(loaded), _) => loaded.inspection.kinds.contains(&kind),
            (None, Some(inspection)) if state.origin == Some(Origin::Embedded) => {
                state.failed_sha256 != inspection.sha256 && inspection.kinds.contains(&kind)
            }
            (None, _) => false,
        }
    }
}
