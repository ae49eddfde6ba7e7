//! The one Rayon pool. Scoring runs here, never on a Tokio worker.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use super::error::ScoreError;

/// A pool of threads for arithmetic, fed by asynchronous code.
#[derive(Clone)]
pub struct Pool {
    threads: Arc<rayon::ThreadPool>,
    /// Bounds the work that waits: a caller that is ahead waits here, and with it whatever feeds it.
    waiting: Arc<Semaphore>,
}

impl Pool {
    /// A pool of `threads` threads.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(threads: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("score-{index}"))
            .build()?;
        Ok(Self {
            threads: Arc::new(pool),
            waiting: Arc::new(Semaphore::new(2 * threads)),
        })
    }

    /// The threads themselves, for code that brings its own parallel iterators.
    pub fn threads(&self) -> Arc<rayon::ThreadPool> {
        Arc::clone(&self.threads)
    }

    /// Runs `work` in the pool and waits for its result without blocking a Tokio worker. Where it panics, so does whoever waits: in the
    /// pool a panic would end the process.
    ///
    /// # Errors
    /// When the process is ending.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ScoreError> {
        let _place = self
            .waiting
            .acquire()
            .await
            .map_err(|_| ScoreError::PoolStopped)?;
        let (answer, answered) = oneshot::channel();
        self.threads.spawn(move || {
            // The asker may have given up; then nobody wants the answer.
            drop(answer.send(catch_unwind(AssertUnwindSafe(work))));
        });
        match answered.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(ScoreError::PoolStopped),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_reaches_whoever_waits_and_the_pool_goes_on() {
        let pool = Pool::new(1).unwrap();
        let panics = pool.run(|| panic!("a scorer has a defect"));
        let panic = AssertUnwindSafe(panics).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"a scorer has a defect"));
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }
}
