//! A panic is a defect of cvm: it ends a command as any other failure does.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::CliError;

/// What `work` gives. Its panic becomes a failure, so that whoever waits for the end is told, with an exit code of cvm's own. What
/// `work` shares with others may be half done by then: nothing but telling is to follow.
pub(super) async fn caught<T>(
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => Err(CliError::Defect {
            message: said(panic.as_ref()),
        }),
    }
}

/// What a panic says of itself.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it does not say why").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    async fn panics(number: Option<u8>) -> Result<(), CliError> {
        tokio::task::yield_now().await;
        match number {
            Some(number) => panic!("there is no {number}"),
            None => panic!("there is none"),
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_failure_that_says_what_it_was() {
        for (number, message) in [(Some(3), "there is no 3"), (None, "there is none")] {
            let failure = caught(panics(number)).await.unwrap_err();
            assert_eq!(failure.kind(), FailureKind::Internal);
            assert_eq!(failure.kind().exit_code(), 1);
            assert_eq!(
                failure.to_string(),
                format!("cvm has a defect: {message}; report it")
            );
        }
        // Whoever spawns work hears of its panic in another way, and goes on with it.
        let resumed = caught(async {
            match tokio::spawn(panics(None)).await {
                Ok(result) => result,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        });
        let failure = resumed.await.unwrap_err();
        assert_eq!(
            failure.to_string(),
            "cvm has a defect: there is none; report it"
        );
    }

    #[tokio::test]
    async fn what_does_not_panic_is_given_as_it_is() {
        assert_eq!(caught(async { Ok(7) }).await.unwrap(), 7);
        let failure = caught(async { Err::<(), _>(CliError::Stopped) }).await;
        assert!(matches!(failure, Err(CliError::Stopped)));
    }
}
