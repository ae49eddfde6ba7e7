//! Panics of a library as errors.
//!
//! The Parquet reader takes much of what a file says of itself at its word, and panics where it lied: at a page of no values, at
//! more bits than a number has. Such a file is damaged, which is no defect of cvm.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;

thread_local! {
    /// Whether this thread is inside [`guarded`], where a panic is not told of: its message is in the error.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `future` gives, or the message of the panic that it ended with. What it borrowed must not be used after a panic.
pub(crate) async fn guarded<F: Future>(future: F) -> Result<F::Output, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let tell = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_GUARDED.get() {
                tell(panic);
            }
        }));
    });
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        let outside = IS_GUARDED.replace(true);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        IS_GUARDED.set(outside);
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(message(panic.as_ref()))),
        }
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "no message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_message() {
        assert_eq!(guarded(async { 1 }).await, Ok(1));
        fn lies(value: u8) -> u8 {
            panic!("no value after {value}")
        }
        let failed = guarded(async { lies(1) }).await;
        assert_eq!(failed, Err("no value after 1".to_owned()));
        let yielding = guarded(async {
            tokio::task::yield_now().await;
            2
        });
        assert_eq!(yielding.await, Ok(2));
    }
}
