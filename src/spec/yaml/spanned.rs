//! Values that know their place, and how the place passes through serde, which has no word for it.
//!
//! Both ends of the agreement stand here: [`Spanned`] asks under a name that only it uses, and
//! [`SpannedAccess`] answers. In the file, a `Spanned<T>` is written as a `T` is.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IntoDeserializer, SeqAccess, Visitor};

use super::deserializer::NodeDecoder;
use super::fault::Fault;
use crate::spec::problem::At;

/// A value and where in its file it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: At,
}

/// The value alone: where it stands decides nothing, and fingerprints are taken of this text.
impl<T: fmt::Debug> fmt::Debug for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> Spanned<T> {
    /// A value that stands nowhere: one that cvm made itself.
    pub fn unplaced(value: T) -> Self {
        Self {
            value,
            at: At::default(),
        }
    }
}

/// The name under which a decoder is asked for a value with its place.
pub(super) const SPANNED: &str = "__cvm_spanned";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpannedVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
            type Value = Spanned<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut next = || seq.next_element::<usize>().map(Option::unwrap_or_default);
                let at = At {
                    line: next()?,
                    column: next()?,
                };
                match seq.next_element()? {
                    Some(value) => Ok(Spanned { value, at }),
                    None => Err(de::Error::custom("a value is missing")),
                }
            }
        }
        deserializer.deserialize_newtype_struct(SPANNED, SpannedVisitor(std::marker::PhantomData))
    }
}

/// A spanned value as the sequence line, column, value.
pub(super) struct SpannedAccess<'a> {
    decoder: Option<NodeDecoder<'a>>,
    given: u8,
}

impl<'a> SpannedAccess<'a> {
    pub(super) fn new(decoder: NodeDecoder<'a>) -> Self {
        Self {
            decoder: Some(decoder),
            given: 0,
        }
    }
}

impl<'de> SeqAccess<'de> for SpannedAccess<'_> {
    type Error = Fault;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        self.given += 1;
        let at = self
            .decoder
            .as_ref()
            .map(|decoder| decoder.node.at)
            .unwrap_or_default();
        match self.given {
            1 => seed.deserialize(at.line.into_deserializer()).map(Some),
            2 => seed.deserialize(at.column.into_deserializer()).map(Some),
            _ => self
                .decoder
                .take()
                .map(|decoder| seed.deserialize(decoder))
                .transpose(),
        }
    }
}
