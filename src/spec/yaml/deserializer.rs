//! One node of the tree as a serde deserializer.
//!
//! A text is read as a number or a boolean only when it came from the environment, where all is text. Each fault
//! has the path of the innermost node that it was found at, so that this node can be cut out and decoding go on.

use serde::de::{Deserializer, Visitor};

use super::access::{EntryAccess, ListAccess, VariantOf};
use super::fault::{Fault, FaultKind};
use super::spanned::{SPANNED, SpannedAccess};
use super::tree::{Node, Step, Value};
use crate::spec::problem::did_you_mean;

/// A node as serde asks for it.
pub(super) struct NodeDecoder<'a> {
    pub(super) node: &'a Node,
    /// Where the node stands, from the root of its file.
    pub(super) path: Vec<Step>,
}

impl<'a> NodeDecoder<'a> {
    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Self { node, path } = self;
        let result = match &node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(ListAccess {
                items,
                next: 0,
                path: &path,
            }),
            Value::Map(entries) => visitor.visit_map(EntryAccess {
                entries,
                next: 0,
                path: &path,
            }),
        };
        result.map_err(|fault| fault.within(&path))
    }

    /// Whether the node stands in for something of which nothing is known yet: any value of the wanted type serves.
    fn is_empty_stand_in(&self) -> bool {
        self.node.is_stand_in && matches!(self.node.value, Value::Null)
    }

    /// A number or boolean that came as text from the environment.
    fn scalar<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_empty_stand_in() {
            return visitor
                .visit_i64(0)
                .map_err(|fault: Fault| fault.within(&self.path));
        }
        let Value::Text(text) = &self.node.value else {
            return self.visit(visitor);
        };
        if !self.node.from_environment {
            return self.visit(visitor);
        }
        let result = if let Ok(value) = text.parse::<i64>() {
            visitor.visit_i64(value)
        } else if let Ok(value) = text.parse::<f64>() {
            visitor.visit_f64(value)
        } else if let Ok(value) = text.parse::<bool>() {
            visitor.visit_bool(value)
        } else {
            visitor.visit_str(text)
        };
        result.map_err(|fault: Fault| fault.within(&self.path))
    }
}

impl<'de> Deserializer<'de> for NodeDecoder<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_empty_stand_in() {
            return visitor
                .visit_str("")
                .map_err(|fault: Fault| fault.within(&self.path));
        }
        self.visit(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_empty_stand_in() {
            return visitor.visit_seq(ListAccess {
                items: &[],
                next: 0,
                path: &self.path,
            });
        }
        self.visit(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_empty_stand_in() {
            let result = visitor.visit_map(EntryAccess {
                entries: &[],
                next: 0,
                path: &self.path,
            });
            return result.map_err(|fault| fault.within(&self.path));
        }
        self.visit(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == SPANNED {
            let path = self.path.clone();
            return visitor
                .visit_seq(SpannedAccess::new(self))
                .map_err(|fault| fault.within(&path));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let stands_in = self.is_empty_stand_in();
        let (node, path) = (self.node, self.path);
        let (variant, content) = match &node.value {
            _ if stands_in => (variants.first().copied().unwrap_or_default(), None),
            Value::Text(text) => (text.as_str(), None),
            Value::Map(entries) => match entries.as_slice() {
                [(key, content)] => (key.key(), Some(content)),
                _ => ("", None),
            },
            _ => ("", None),
        };
        if !variants.contains(&variant) {
            let kind = FaultKind::Other(format!(
                "`{variant}` is no {}; {}",
                name.to_ascii_lowercase(),
                did_you_mean(variant, variants.iter().copied())
            ));
            return Err(Fault {
                kind,
                path: Some(path),
                at_key: None,
            });
        }
        visitor
            .visit_enum(VariantOf {
                variant,
                content,
                path: path.clone(),
            })
            .map_err(|fault| fault.within(&path))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.scalar(visitor)
    }
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.scalar(visitor)
    }
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.scalar(visitor)
    }
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.scalar(visitor)
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_empty_stand_in() {
            return visitor.visit_bool(false);
        }
        self.scalar(visitor)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 u8 u16 f32 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}
