//! Requests that change something are worked on to their end, whether or not their caller waits for it.
//!
//! The HTTP library drops a request's work when its connection goes away. Between two steps that belong together, such
//! as "the release is on disk" and "the device's connection is in quarantine", that would leave a state that no later
//! request repairs. So the work runs in a task of its own, and only the waiting for it can be dropped.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio_util::task::TaskTracker;
use tracing::error;

use crate::errors::{ApiError, ProblemKind};

/// Works on a request to its end, unless its method says that it changes nothing.
pub(super) async fn complete_writes(tasks: State<TaskTracker>, request: Request, next: Next) -> Response {
    if request.method().is_safe() { next.run(request).await } else { complete(tasks, request, next).await }
}

/// Works on a request to its end. The server waits for it when it stops.
pub(super) async fn complete(State(tasks): State<TaskTracker>, request: Request, next: Next) -> Response {
    tasks.spawn(next.run(request)).await.unwrap_or_else(|failure| {
        error!(error = %failure, "a request ended abnormally");
        ApiError::new(ProblemKind::Internal, "The request ended abnormally.").into_response()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use tokio::sync::Semaphore;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_write_goes_on_when_its_caller_leaves() {
        let steps = Arc::new([Semaphore::new(0), Semaphore::new(0), Semaphore::new(0)]);
        let tasks = TaskTracker::new();
        let handler_steps = Arc::clone(&steps);
        let handler = move || async move {
            let [started, may_go_on, done] = handler_steps.as_ref();
            started.add_permits(1);
            may_go_on.acquire().await.unwrap().forget();
            done.add_permits(1);
        };
        let router =
            Router::new().route("/", post(handler)).layer(from_fn_with_state(tasks.clone(), complete_writes));
        let caller = tokio::spawn(router.oneshot(Request::post("/").body(Body::empty()).unwrap()));
        let [started, may_go_on, done] = steps.as_ref();
        started.acquire().await.unwrap().forget();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        may_go_on.add_permits(1);
        tasks.close();
        tasks.wait().await;
        assert_eq!(done.available_permits(), 1);
    }
}
