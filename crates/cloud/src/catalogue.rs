//! The datastreams of all templates in memory: each value that arrives is checked against them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use registry::TemplateId;
use store::{StorageError, Store};
use telemetry::DatastreamSet;

/// The datastreams of every template that has any.
#[derive(Debug)]
pub(crate) struct Catalogue {
    by_template: RwLock<BTreeMap<TemplateId, Arc<DatastreamSet>>>,
    /// Spares devices the look-up of their template while nobody has set up a datastream.
    is_empty: AtomicBool,
    none: Arc<DatastreamSet>,
    /// Held from a change in the store to its entry here, so that two changes cannot overtake each other.
    changing: tokio::sync::Mutex<()>,
}

impl Catalogue {
    /// Reads every datastream.
    pub(crate) async fn load(store: &Store) -> Result<Self, StorageError> {
        let mut lists: BTreeMap<TemplateId, Vec<_>> = BTreeMap::new();
        for (template, datastream) in store.datastreams(None).await? {
            lists.entry(template).or_default().push(datastream);
        }
        let by_template: BTreeMap<_, _> = lists
            .into_iter()
            .map(|(template, list)| (template, Arc::new(list.into_iter().collect())))
            .collect();
        Ok(Self {
            is_empty: AtomicBool::new(by_template.is_empty()),
            by_template: RwLock::new(by_template),
            none: Arc::default(),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// Says whether no template has a datastream.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty.load(Ordering::Acquire)
    }

    /// The set of a template without datastreams.
    pub(crate) fn nothing(&self) -> Arc<DatastreamSet> {
        Arc::clone(&self.none)
    }

    /// Returns the datastreams of a template.
    pub(crate) fn of(&self, template: &TemplateId) -> Arc<DatastreamSet> {
        let by_template = self.by_template.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(by_template.get(template).unwrap_or(&self.none))
    }

    /// Makes a change in the store and takes over what it led to.
    pub(crate) async fn change<T, E: From<StorageError>>(
        &self,
        store: &Store,
        template: &TemplateId,
        change: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let _changing = self.changing.lock().await;
        let outcome = change.await?;
        let list = store.datastreams(Some(template.clone())).await?;
        let set: DatastreamSet = list.into_iter().map(|(_template, datastream)| datastream).collect();
        let mut by_template = self.by_template.write().unwrap_or_else(PoisonError::into_inner);
        if set.is_empty() {
            by_template.remove(template);
        } else {
            by_template.insert(template.clone(), Arc::new(set));
        }
        self.is_empty.store(by_template.is_empty(), Ordering::Release);
        Ok(outcome)
    }
}
