//! Why a run ended without publishing, in the six classes a scheduler can act on.

/// The class of a failure; each has its own exit code, documented in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// A defect of cvm or of the machine: report it.
    Internal,
    /// The command line or a project file is wrong: a person must change it, a retry cannot help.
    Configuration,
    /// The data broke a declared bound: nothing was published, a person must look.
    DataQuality,
    /// Another run published, or is publishing, to the same place.
    ConcurrentRun,
    /// A store did not answer as it should after retries: trying again later may help.
    TransientStore,
    /// The process was asked to stop.
    Terminated,
}

impl FailureKind {
    /// The process exit code of this class. 0 is success and belongs to none.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Configuration => 2,
            Self::DataQuality => 3,
            Self::ConcurrentRun => 4,
            Self::TransientStore => 5,
            Self::Terminated => 6,
        }
    }
}
