//! The OpenAPI document: every path with its request, answers and access rule.
//!
//! The document is a table (`operations`), so that a test can walk it and knock at every door of the real server.

mod events;
mod operations;

use std::collections::BTreeMap;

use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{
    ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required,
};
use utoipa::{IntoParams, ToSchema};

use crate::Problem;

/// Builds the whole document.
#[must_use]
pub fn document() -> OpenApi {
    let mut contract = Contract::default();
    contract.component::<Problem>();
    operations::add_all(&mut contract);
    events::add_all(&mut contract);
    contract.finish()
}

/// Returns the document as it lies in `openapi.json`: indented, with a line feed at the end.
///
/// # Errors
/// Fails only when the document cannot be written as JSON, which would be a mistake in the table.
pub fn document_json() -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&document())?;
    text.push('\n');
    Ok(text)
}

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Anybody.
    Open,
    /// An owner: admin key or session cookie.
    Owner,
}

type Named = (String, RefOr<Schema>);

/// One operation while it is being described.
struct Described {
    method: HttpMethod,
    path: &'static str,
    operation: OperationBuilder,
    schemas: Vec<Named>,
}

impl Described {
    fn new(
        method: HttpMethod,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        access: Access,
    ) -> Self {
        let mut operation =
            OperationBuilder::new().operation_id(Some(id)).summary(Some(summary)).tag(tag_of(path));
        for name in path_parameter_names(path) {
            operation = operation.parameter(text_parameter(name, ParameterIn::Path, Required::True));
        }
        operation = match access {
            Access::Open => operation.securities(Some(Vec::<SecurityRequirement>::new())),
            Access::Owner => operation
                .security(SecurityRequirement::new("admin_key", Vec::<String>::new()))
                .security(SecurityRequirement::new("session", Vec::<String>::new())),
        };
        if method == HttpMethod::Post && access == Access::Owner {
            operation =
                operation.parameter(text_parameter("Idempotency-Key", ParameterIn::Header, Required::False));
        }
        Self { method, path, operation, schemas: Vec::new() }
    }

    /// Answers some callers without any key too.
    fn also_open(mut self) -> Self {
        self.operation = self.operation.security(SecurityRequirement::default());
        self
    }

    fn query<P: IntoParams>(mut self) -> Self {
        for parameter in P::into_params(|| Some(ParameterIn::Query)) {
            self.operation = self.operation.parameter(parameter);
        }
        self
    }

    fn query_text(mut self, name: &'static str, required: Required) -> Self {
        self.operation = self.operation.parameter(text_parameter(name, ParameterIn::Query, required));
        self
    }

    fn body<T: ToSchema>(mut self) -> Self {
        let content = ContentBuilder::new().schema(Some(self.reference::<T>())).build();
        let body =
            RequestBodyBuilder::new().required(Some(Required::True)).content("application/json", content);
        self.operation = self.operation.request_body(Some(body.build()));
        self
    }

    /// A body that is a file of any kind.
    fn file_body(mut self) -> Self {
        let file = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
        let content = ContentBuilder::new().schema(Some(RefOr::T(Schema::from(file.build())))).build();
        let body = RequestBodyBuilder::new()
            .required(Some(Required::True))
            .content("application/octet-stream", content);
        self.operation = self.operation.request_body(Some(body.build()));
        self
    }

    /// A body of lines of comma-separated values.
    fn csv_body(mut self) -> Self {
        let text = ObjectBuilder::new().schema_type(Type::String).description(Some(
            "Lines of `time,pin,value`. The first line may name the columns, in any order and with others between them, as \
             an export writes them. A time is RFC 3339 or Unix milliseconds, at most 92 days ago. Several values of one pin \
             are a JSON list of texts. At most 20,000 lines and 2 MiB.",
        ));
        let content = ContentBuilder::new().schema(Some(RefOr::T(Schema::from(text.build())))).build();
        let body = RequestBodyBuilder::new().required(Some(Required::True)).content("text/csv", content);
        self.operation = self.operation.request_body(Some(body.build()));
        self
    }

    fn json<T: ToSchema>(mut self, status: &'static str, description: &'static str) -> Self {
        let content = ContentBuilder::new().schema(Some(self.reference::<T>())).build();
        let answer = ResponseBuilder::new().description(description).content("application/json", content);
        self.operation = self.operation.response(status, answer.build());
        self
    }

    /// An answer with one page of a list of `T`.
    fn page<T: ToSchema>(mut self, description: &'static str) -> Self {
        let items = ArrayBuilder::new().items(self.reference::<T>());
        let cursor =
            ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null])).description(
                Some("Give this back as `cursor` to get the page that follows; `null` on the last page."),
            );
        let page = ObjectBuilder::new()
            .property("items", items)
            .required("items")
            .property("next_cursor", cursor)
            .required("next_cursor");
        let name = format!("{}Page", T::name());
        self.schemas.push((name.clone(), RefOr::T(Schema::from(page.build()))));
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(name))).build();
        let answer = ResponseBuilder::new().description(description).content("application/json", content);
        self.operation = self.operation.response("200", answer.build());
        self
    }

    fn media(mut self, status: &'static str, media_type: &'static str, description: &'static str) -> Self {
        // JSON that has no type of ours may be any value; everything else is bytes.
        let kind = match media_type {
            "application/json" => SchemaType::AnyValue,
            _ => SchemaType::Type(Type::String),
        };
        let schema = RefOr::T(Schema::from(ObjectBuilder::new().schema_type(kind).build()));
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let answer = ResponseBuilder::new().description(description).content(media_type, content);
        self.operation = self.operation.response(status, answer.build());
        self
    }

    fn empty(mut self, status: &'static str, description: &'static str) -> Self {
        self.operation =
            self.operation.response(status, ResponseBuilder::new().description(description).build());
        self
    }

    /// Schemas that no answer refers to, such as the data of events.
    fn mentions<T: ToSchema>(mut self) -> Self {
        let _reference = self.reference::<T>();
        self
    }

    fn problem(mut self) -> Self {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let answer = ResponseBuilder::new()
            .description("Any error, as a problem document.")
            .content("application/problem+json", content);
        self.operation = self.operation.response("default", answer.build());
        self
    }

    fn reference<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let name = T::name().into_owned();
        self.schemas.push((name.clone(), T::schema()));
        T::schemas(&mut self.schemas);
        RefOr::Ref(Ref::from_schema_name(name))
    }
}

/// The document while it is being put together.
#[derive(Default)]
struct Contract {
    paths: PathsBuilder,
    schemas: BTreeMap<String, RefOr<Schema>>,
}

impl Contract {
    fn add(&mut self, described: Described) {
        self.schemas.extend(described.schemas);
        let item = utoipa::openapi::PathItem::new(described.method, described.operation.build());
        let paths = std::mem::take(&mut self.paths);
        self.paths = paths.path(described.path, item);
    }

    fn component<T: ToSchema>(&mut self) {
        let mut schemas: Vec<Named> = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut schemas);
        self.schemas.extend(schemas);
    }

    fn finish(self) -> OpenApi {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The content of `<data-dir>/admin-api-key`."))
            .build();
        let cookie = ApiKeyValue::with_description(
            "rehome_session",
            "Set by `/api/v1/auth/link` and `/api/v1/auth/password`.",
        );
        let components = ComponentsBuilder::new()
            .schemas_from_iter(self.schemas)
            .security_scheme("admin_key", SecurityScheme::Http(bearer))
            .security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        let info = InfoBuilder::new().title("Rehome").version(env!("CARGO_PKG_VERSION")).description(Some(
            "Templates, devices and their release, provisioning sessions, values and live updates.",
        ));
        OpenApiBuilder::new().info(info).paths(self.paths).components(Some(components.build())).build()
    }
}

fn text_parameter(name: &str, place: ParameterIn, required: Required) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    ParameterBuilder::new().name(name).parameter_in(place).required(required).schema(Some(schema)).build()
}

fn path_parameter_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')))
}

/// Groups operations by the first part of the path that names a resource.
fn tag_of(path: &str) -> &str {
    path.strip_prefix("/api/v1/")
        .or_else(|| path.strip_prefix('/'))
        .and_then(|rest| rest.split('/').next())
        .unwrap_or(path)
}

#[cfg(test)]
mod tests;
