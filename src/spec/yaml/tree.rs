//! A YAML file as a tree of values, each with its place: what is written, whatever type is wanted.
//!
//! Scalars have the types that YAML gives them. An aliased value stands where the alias is, for that is
//! where it is used.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::spec::problem::At;

/// One step from a node to a node below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// What a YAML file can hold; the entries of a map keep the order of the file.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// A YAML value with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) at: At,
    /// Whether the text holds a value of the environment, which may be a secret and is never printed.
    pub(super) from_environment: bool,
    /// Whether the node is not in the file: it stands in for what is missing, so that decoding goes on beyond it.
    pub(super) is_stand_in: bool,
}

impl Node {
    pub(super) fn parse(text: &str) -> Result<Self, serde_saphyr::Error> {
        serde_saphyr::from_str(text)
    }

    /// The text of a key, empty for a key that is no text.
    pub(super) fn key(&self) -> &str {
        match &self.value {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// The node at `path`, if there is one.
    pub(super) fn find(&self, path: &[Step]) -> Option<&Node> {
        path.iter()
            .try_fold(self, |node, step| match (&node.value, step) {
                (Value::Map(entries), Step::Key(key)) => entries
                    .iter()
                    .find(|(k, _)| k.key() == key)
                    .map(|(_, value)| value),
                (Value::List(items), Step::Index(index)) => items.get(*index),
                _ => None,
            })
    }

    /// Whether the node at `path`, or one above it, stands in for what is missing.
    pub(super) fn is_within_stand_in(&self, path: &[Step]) -> bool {
        (0..=path.len()).any(|end| {
            let node = path.get(..end).and_then(|above| self.find(above));
            node.is_some_and(|node| node.is_stand_in)
        })
    }

    /// Puts a stand-in for the missing `key` into the map at `path`; false when there is no such map, or the key is there.
    pub(super) fn stand_in(&mut self, path: &[Step], key: &str) -> bool {
        let Some(node) = self.find_mut(path) else {
            return false;
        };
        if node.is_stand_in && matches!(node.value, Value::Null) {
            node.value = Value::Map(Vec::new());
        }
        let at = node.at;
        let Value::Map(entries) = &mut node.value else {
            return false;
        };
        if entries.iter().any(|(known, _)| known.key() == key) {
            return false;
        }
        let absent = |value| Node {
            value,
            at,
            from_environment: false,
            is_stand_in: true,
        };
        entries.push((absent(Value::Text(key.to_owned())), absent(Value::Null)));
        true
    }

    fn find_mut(&mut self, path: &[Step]) -> Option<&mut Node> {
        path.iter()
            .try_fold(self, |node, step| match (&mut node.value, step) {
                (Value::Map(entries), Step::Key(key)) => entries
                    .iter_mut()
                    .find(|(known, _)| known.key() == key)
                    .map(|(_, value)| value),
                (Value::List(items), Step::Index(index)) => items.get_mut(*index),
                _ => None,
            })
    }

    /// Removes the node at `path`; false when there is none.
    pub(super) fn cut(&mut self, path: &[Step]) -> bool {
        let Some((first, rest)) = path.split_first() else {
            return false;
        };
        match (&mut self.value, first) {
            (Value::Map(entries), Step::Key(key)) => {
                let Some(index) = entries.iter().position(|(k, _)| k.key() == key) else {
                    return false;
                };
                if rest.is_empty() {
                    entries.remove(index);
                    return true;
                }
                entries
                    .get_mut(index)
                    .is_some_and(|(_, value)| value.cut(rest))
            }
            (Value::List(items), Step::Index(index)) if *index < items.len() => {
                if rest.is_empty() {
                    items.remove(*index);
                    return true;
                }
                items.get_mut(*index).is_some_and(|item| item.cut(rest))
            }
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<Value>::deserialize(deserializer)?;
        let at = At {
            line: usize::try_from(spanned.referenced.line()).unwrap_or_default(),
            column: usize::try_from(spanned.referenced.column()).unwrap_or_default(),
        };
        Ok(Node {
            value: spanned.value,
            at,
            from_environment: false,
            is_stand_in: false,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a YAML value")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Int(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
                i64::try_from(value)
                    .map(Value::Int)
                    .map_err(|_| E::custom("the number is too large"))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Float(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Text(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Value::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Value::Map(entries))
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}
