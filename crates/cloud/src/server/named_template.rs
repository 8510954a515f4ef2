//! A template that exists because somebody starts a bench, not because somebody asked for it over HTTP.

use registry::TemplateId;
use store::{Change, ListError, PAGE_ITEMS_MAX, Page, StorageError};

use super::RunningServer;

/// Why a template could be neither found nor made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NamedTemplateError {
    /// The templates cannot be listed.
    #[error("listing the templates failed")]
    List(#[from] ListError),
    /// The template cannot be written.
    #[error("writing the template failed")]
    Write(#[from] StorageError),
}

impl RunningServer {
    /// Returns the identifier of the oldest template with this name; makes one when there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn template_named(&self, name: &str) -> Result<String, NamedTemplateError> {
        let mut page = Page { limit: PAGE_ITEMS_MAX, cursor: None };
        loop {
            let listed = self.store.list_templates(page).await?;
            if let Some(template) = listed.items.iter().find(|template| template.name == name) {
                return Ok(template.id.as_str().to_owned());
            }
            let Some(cursor) = listed.next_cursor else { break };
            page = Page { limit: PAGE_ITEMS_MAX, cursor: Some(cursor) };
        }
        let id = TemplateId::from_random(rand::random());
        let change = Change::by("server", self.clock.now().utc);
        let template = self.store.create_template(id, name.to_owned(), change).await?;
        Ok(template.id.as_str().to_owned())
    }
}
