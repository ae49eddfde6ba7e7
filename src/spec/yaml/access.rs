//! What a node holds, handed to serde part by part: the items of a list, the entries of a map, the content of a
//! variant. Each part is decoded under its own path, and its faults have that path.

use serde::de::{self, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::deserializer::NodeDecoder;
use super::fault::Fault;
use super::tree::{Node, Step, Value};
use crate::spec::problem::At;

/// The items of a list, in order.
pub(super) struct ListAccess<'a> {
    pub(super) items: &'a [Node],
    pub(super) next: usize,
    pub(super) path: &'a [Step],
}

impl<'de> SeqAccess<'de> for ListAccess<'_> {
    type Error = Fault;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(node) = self.items.get(self.next) else {
            return Ok(None);
        };
        let mut path = self.path.to_vec();
        path.push(Step::Index(self.next));
        self.next += 1;
        seed.deserialize(NodeDecoder {
            node,
            path: path.clone(),
        })
        .map(Some)
        .map_err(|fault| fault.within(&path))
    }
}

/// The entries of a map, in order. A fault in a key stands at the key.
pub(super) struct EntryAccess<'a> {
    pub(super) entries: &'a [(Node, Node)],
    pub(super) next: usize,
    pub(super) path: &'a [Step],
}

impl EntryAccess<'_> {
    fn child_path(&self, key: &Node) -> Vec<Step> {
        let mut path = self.path.to_vec();
        path.push(Step::Key(key.key().to_owned()));
        path
    }
}

impl<'de> MapAccess<'de> for EntryAccess<'_> {
    type Error = Fault;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((key, _)) = self.entries.get(self.next) else {
            return Ok(None);
        };
        let path = self.child_path(key);
        seed.deserialize(NodeDecoder {
            node: key,
            path: path.clone(),
        })
        .map(Some)
        .map_err(|mut fault| {
            fault.at_key = Some(key.at);
            fault.within(&path)
        })
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((key, node)) = self.entries.get(self.next) else {
            return Err(de::Error::custom("a value is missing"));
        };
        self.next += 1;
        let path = self.child_path(key);
        seed.deserialize(NodeDecoder {
            node,
            path: path.clone(),
        })
        .map_err(|fault| fault.within(&path))
    }
}

/// A variant of an enum and, when it is written as a map of one entry, its content.
pub(super) struct VariantOf<'a> {
    pub(super) variant: &'a str,
    pub(super) content: Option<&'a Node>,
    pub(super) path: Vec<Step>,
}

impl<'de, 'a> de::EnumAccess<'de> for VariantOf<'a> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let variant: de::value::StrDeserializer<'_, Fault> = self.variant.into_deserializer();
        Ok((seed.deserialize(variant)?, self))
    }
}

static NO_CONTENT: Node = Node {
    value: Value::Map(Vec::new()),
    at: At { line: 0, column: 0 },
    from_environment: false,
    is_stand_in: false,
};

impl<'de> de::VariantAccess<'de> for VariantOf<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    /// A variant written by its name alone has all its defaults.
    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let mut path = self.path;
        let node = self.content.unwrap_or(&NO_CONTENT);
        if self.content.is_some() {
            path.push(Step::Key(self.variant.to_owned()));
        }
        seed.deserialize(NodeDecoder { node, path })
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Fault> {
        Err(de::Error::custom(
            "a variant with several values is not supported",
        ))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.newtype_variant_seed(StructSeed(visitor))
    }
}

struct StructSeed<V>(V);

impl<'de, V: Visitor<'de>> de::DeserializeSeed<'de> for StructSeed<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_any(self.0)
    }
}
