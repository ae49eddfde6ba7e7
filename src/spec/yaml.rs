//! YAML files into typed values, with the place of each value and *every* fault of a file at once.
//!
//! serde stops at the first fault. So a file is first read into a tree of nodes; then the tree is decoded,
//! and whenever that fails the fault is noted, the faulty node is cut out, and decoding starts again.
//! Files are a page long, so the repetition costs nothing.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{
    self, DeserializeOwned, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

use super::problem::{At, Problem, SourceText, did_you_mean};

/// How the environment is asked for a variable; a function so that tests need no process state.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Decodes `file` into `T`.
///
/// # Errors
/// Every fault of the file: syntax, unknown, missing or duplicate keys, wrong types, variables without a value.
pub fn decode<T: DeserializeOwned>(
    file: &Arc<SourceText>,
    environment: Environment<'_>,
) -> Result<T, Vec<Problem>> {
    let mut root = Node::parse(&file.text).map_err(|error| vec![syntax_problem(file, &error)])?;
    let mut problems = Vec::new();
    root.substitute(environment, &mut |at, name| {
        problems.push(Problem::new(
            "cvm::spec::environment",
            file,
            at,
            format!("the environment variable `{name}` is not set"),
            format!("set it, or give a default: `${{{name}:-default}}`"),
        ));
    });
    let mut cut: Vec<Vec<Step>> = Vec::new();
    loop {
        let fault = match T::deserialize(NodeDecoder {
            node: &root,
            path: Vec::new(),
        }) {
            Ok(value) if problems.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(fault) => fault,
        };
        let path = fault.path.clone().unwrap_or_default();
        let follows_from_a_cut = matches!(&fault.kind, FaultKind::Missing(field) if {
            let mut child = path.clone();
            child.push(Step::Key((*field).to_owned()));
            cut.contains(&child)
        });
        if !follows_from_a_cut {
            problems.push(fault.into_problem(file, &root));
        }
        if path.is_empty() || !root.cut(&path) {
            break;
        }
        cut.push(path);
    }
    problems.sort_by_key(|problem| problem.at);
    Err(problems)
}

/// A value and where in its file it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: At,
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

const SPANNED: &str = "__cvm_spanned";

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

/// One step from a node to a node below it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

#[derive(Debug, Clone)]
enum Value {
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
struct Node {
    value: Value,
    at: At,
    /// Whether the text holds a value of the environment, which may be a secret and is never printed.
    from_environment: bool,
}

impl Node {
    fn parse(text: &str) -> Result<Self, serde_saphyr::Error> {
        serde_saphyr::from_str(text)
    }

    fn key(&self) -> &str {
        match &self.value {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// Replaces `${NAME}` and `${NAME:-default}` in every text below.
    fn substitute(&mut self, environment: Environment<'_>, missing: &mut dyn FnMut(At, &str)) {
        match &mut self.value {
            Value::Text(text) if text.contains("${") => {
                let at = self.at;
                *text = substitute_text(text, environment, &mut |name| missing(at, name));
                self.from_environment = true;
            }
            Value::List(items) => items
                .iter_mut()
                .for_each(|n| n.substitute(environment, missing)),
            Value::Map(entries) => {
                entries
                    .iter_mut()
                    .for_each(|(_, n)| n.substitute(environment, missing));
            }
            _ => {}
        }
    }

    fn find(&self, path: &[Step]) -> Option<&Node> {
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

    /// Removes the node at `path`; false when there is none.
    fn cut(&mut self, path: &[Step]) -> bool {
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

fn substitute_text(
    text: &str,
    environment: Environment<'_>,
    missing: &mut dyn FnMut(&str),
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((inside, tail)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        match environment(name).filter(|value| !value.is_empty()) {
            Some(value) => out.push_str(&value),
            None => match default {
                Some(default) => out.push_str(default),
                None => missing(name),
            },
        }
        rest = tail;
    }
    out.push_str(rest);
    out
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

#[derive(Debug)]
enum FaultKind {
    Unknown(String, &'static [&'static str]),
    Missing(&'static str),
    Other(String),
}

/// What decoding stopped at. The innermost decoder that sees it adds the path.
#[derive(Debug)]
struct Fault {
    kind: FaultKind,
    path: Option<Vec<Step>>,
    at_key: Option<At>,
}

impl Fault {
    fn within(mut self, path: &[Step]) -> Self {
        self.path.get_or_insert_with(|| path.to_vec());
        self
    }

    fn into_problem(self, file: &Arc<SourceText>, root: &Node) -> Problem {
        let node = root.find(self.path.as_deref().unwrap_or_default());
        let at = self.at_key.or(node.map(|node| node.at)).unwrap_or_default();
        let problem =
            |code, message: String, help: String| Problem::new(code, file, at, message, help);
        match self.kind {
            FaultKind::Unknown(key, expected) => problem(
                "cvm::spec::unknown_key",
                format!("unknown key `{key}`"),
                did_you_mean(&key, expected.iter().copied()),
            ),
            FaultKind::Missing(key) => problem(
                "cvm::spec::missing_key",
                format!("the key `{key}` is missing"),
                format!("add `{key}:` here"),
            ),
            FaultKind::Other(_) if node.is_some_and(|node| node.from_environment) => problem(
                "cvm::spec::environment",
                "the value that the environment gives does not fit here".to_owned(),
                "look at the variable that this line names".to_owned(),
            ),
            FaultKind::Other(message) => problem(
                "cvm::spec::wrong_value",
                message,
                "change the value".to_owned(),
            ),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::Unknown(key, _) => write!(f, "unknown key `{key}`"),
            FaultKind::Missing(key) => write!(f, "the key `{key}` is missing"),
            FaultKind::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            kind: FaultKind::Other(message.to_string()),
            path: None,
            at_key: None,
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self {
            kind: FaultKind::Unknown(field.to_owned(), expected),
            path: None,
            at_key: None,
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            kind: FaultKind::Missing(field),
            path: None,
            at_key: None,
        }
    }
}

struct NodeDecoder<'a> {
    node: &'a Node,
    path: Vec<Step>,
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

    /// A number or boolean that came as text from the environment.
    fn scalar<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
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
        self.visit(visitor)
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
                .visit_seq(SpannedAccess {
                    decoder: Some(self),
                    given: 0,
                })
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
        let (node, path) = (self.node, self.path);
        let (variant, content) = match &node.value {
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
        self.scalar(visitor)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 u8 u16 f32 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct ListAccess<'a> {
    items: &'a [Node],
    next: usize,
    path: &'a [Step],
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

struct EntryAccess<'a> {
    entries: &'a [(Node, Node)],
    next: usize,
    path: &'a [Step],
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

/// A spanned value as the sequence line, column, value.
struct SpannedAccess<'a> {
    decoder: Option<NodeDecoder<'a>>,
    given: u8,
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

struct VariantOf<'a> {
    variant: &'a str,
    content: Option<&'a Node>,
    path: Vec<Step>,
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

fn syntax_problem(file: &Arc<SourceText>, error: &serde_saphyr::Error) -> Problem {
    let at = error
        .location()
        .map(|location| At {
            line: usize::try_from(location.line()).unwrap_or_default(),
            column: usize::try_from(location.column()).unwrap_or_default(),
        })
        .unwrap_or_default();
    let message = error.without_snippet().to_string();
    let first_line = message.lines().next().unwrap_or("the file is not YAML");
    Problem::new(
        "cvm::spec::syntax",
        file,
        at,
        first_line,
        "mend the YAML here; a duplicate key must be removed or renamed",
    )
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
