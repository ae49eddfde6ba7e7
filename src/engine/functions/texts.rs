//! Text held for millions of groups: values that repeat, and keys that mostly do not.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewBuilder, UInt32Array};
use arrow::compute::take;
use datafusion::common::hash_utils::RandomState;
use datafusion::error::Result;
use indexmap::IndexSet;

/// Texts that repeat from group to group, each held once and named by a number.
#[derive(Debug, Clone, Default)]
pub(super) struct Vocabulary {
    words: IndexSet<Box<str>, RandomState>,
    bytes: usize,
    /// The word asked for last: neighbouring rows often agree.
    last: u32,
}

impl Vocabulary {
    /// The number of a text; `None` when there are more than `limit` already.
    pub(super) fn number(&mut self, text: &str, limit: u32) -> Option<u32> {
        if self
            .words
            .get_index(self.last as usize)
            .is_some_and(|word| &**word == text)
        {
            return Some(self.last);
        }
        let index = match self.words.get_index_of(text) {
            Some(index) => index,
            None => {
                self.bytes += text.len();
                self.words.insert_full(text.into()).0
            }
        };
        self.last = u32::try_from(index).ok().filter(|number| *number < limit)?;
        Some(self.last)
    }

    /// The text of a number that [`Self::number`] gave.
    pub(super) fn text(&self, number: u32) -> &str {
        self.words
            .get_index(number as usize)
            .map_or("", |word| word)
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Bytes held: the texts, and a pointer, a hash and an index entry for each.
    pub(super) fn size(&self) -> usize {
        let an_entry = size_of::<Box<str>>() + 3 * size_of::<usize>();
        self.words.capacity() * an_entry + self.bytes
    }

    /// A column with the texts of `numbers`; null for a number that is none.
    pub(super) fn column(&self, numbers: &UInt32Array) -> Result<ArrayRef> {
        let mut words = StringViewBuilder::with_capacity(self.words.len());
        for word in &self.words {
            words.append_value(word);
        }
        Ok(take(&words.finish(), numbers, None)?)
    }
}

/// One text a group, which is replaced now and then: 16 bytes and, past 14 bytes of text, the text.
///
/// Replaced texts stay behind until they are more than half of what is held; then the others move together.
#[derive(Debug, Clone, Default)]
pub(super) struct GroupTexts {
    texts: Vec<Text>,
    long: Vec<u8>,
    /// How many bytes of `long` belong to a text.
    live: usize,
}

#[derive(Debug, Clone, Copy)]
enum Text {
    Null,
    Short {
        length: u8,
        bytes: [u8; SHORT],
    },
    /// The start in `long` as two halves: with a u64 the enum would take 24 bytes.
    Long {
        start: [u32; 2],
        length: u32,
    },
}

const SHORT: usize = 14;
const SLACK: usize = 1 << 16;

impl GroupTexts {
    pub(super) fn resize(&mut self, count: usize) {
        if count > self.texts.len() {
            self.texts.resize(count, Text::Null);
        }
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        self.texts.capacity() * size_of::<Text>() + self.long.capacity()
    }

    pub(super) fn get(&self, group: usize) -> Option<&[u8]> {
        self.bytes(&self.texts[group])
    }

    fn bytes<'a>(&'a self, text: &'a Text) -> Option<&'a [u8]> {
        match text {
            Text::Null => None,
            Text::Short { length, bytes } => Some(&bytes[..usize::from(*length)]),
            Text::Long { start, length } => Some(&self.long[joined(*start)..][..*length as usize]),
        }
    }

    pub(super) fn set(&mut self, group: usize, text: Option<&str>) {
        if let Text::Long { length, .. } = self.texts[group] {
            self.live -= length as usize;
            self.texts[group] = Text::Null;
            if self.long.len() > 2 * self.live + SLACK {
                self.compact();
            }
        }
        self.texts[group] = text.map_or(Text::Null, |text| self.held(text.as_bytes()));
    }

    fn held(&mut self, text: &[u8]) -> Text {
        if let Ok(length) = u8::try_from(text.len())
            && text.len() <= SHORT
        {
            let mut bytes = [0; SHORT];
            bytes[..text.len()].copy_from_slice(text);
            return Text::Short { length, bytes };
        }
        // Arrow's own texts are shorter than 4 GiB.
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let start = self.long.len();
        self.long.extend_from_slice(&text[..length as usize]);
        self.live += length as usize;
        Text::Long {
            start: halves(start),
            length,
        }
    }

    fn compact(&mut self) {
        let mut kept = Vec::with_capacity(self.live);
        for text in &mut self.texts {
            if let Text::Long { start, length } = text {
                let from = joined(*start);
                *start = halves(kept.len());
                kept.extend_from_slice(&self.long[from..][..*length as usize]);
            }
        }
        self.long = kept;
    }

    /// The texts of the first `count` groups, which are then gone.
    pub(super) fn take(&mut self, count: usize) -> ArrayRef {
        let mut column = StringViewBuilder::with_capacity(count);
        for text in &self.texts[..count] {
            // What came in as text is still text; a lossy reading changes nothing.
            match self.bytes(text) {
                None => column.append_null(),
                Some(bytes) => column.append_value(String::from_utf8_lossy(bytes)),
            }
        }
        self.forget(count);
        Arc::new(column.finish())
    }

    /// Drops the texts of the first `count` groups.
    pub(super) fn forget(&mut self, count: usize) {
        if count == self.texts.len() {
            *self = Self::default();
            return;
        }
        for text in self.texts.drain(..count) {
            if let Text::Long { length, .. } = text {
                self.live -= length as usize;
            }
        }
        if self.long.len() > 2 * self.live + SLACK {
            self.compact();
        }
    }
}

fn halves(start: usize) -> [u32; 2] {
    let start = start as u64;
    [start as u32, (start >> 32) as u32]
}

fn joined([low, high]: [u32; 2]) -> usize {
    (u64::from(low) | (u64::from(high) << 32)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;

    #[test]
    fn a_text_takes_sixteen_bytes() {
        assert_eq!(size_of::<Text>(), 16);
    }

    #[test]
    fn a_group_keeps_its_last_text_through_compactions_and_emission() {
        let mut texts = GroupTexts::default();
        texts.resize(4);
        for round in 0..5_000 {
            texts.set(
                0,
                Some(&format!("a text that is held outside, round {round}")),
            );
            texts.set(1, Some("fourteen bytes"));
            texts.set(2, Some("fifteen bytes !"));
        }
        assert!(texts.size() < 3 * SLACK, "{}", texts.size());
        assert_eq!(texts.get(1), Some("fourteen bytes".as_bytes()));
        assert_eq!(texts.get(3), None);

        let first = texts.take(1);
        assert_eq!(
            first.as_string_view().value(0),
            "a text that is held outside, round 4999"
        );
        let rest = texts.take(3);
        let rest: Vec<_> = rest.as_string_view().iter().collect();
        assert_eq!(
            rest,
            [Some("fourteen bytes"), Some("fifteen bytes !"), None]
        );
        assert_eq!(texts.size(), 0);
    }

    #[test]
    fn a_word_has_one_number() {
        let mut words = Vocabulary::default();
        assert_eq!(words.number("web", 2), Some(0));
        assert_eq!(words.number("store", 2), Some(1));
        assert_eq!(words.number("web", 2), Some(0));
        assert_eq!(words.number("phone", 2), None);
        assert_eq!(words.text(1), "store");
        let column = words
            .column(&UInt32Array::from(vec![Some(1), None, Some(0)]))
            .unwrap();
        let column: Vec<_> = column.as_string_view().iter().collect();
        assert_eq!(column, [Some("store"), None, Some("web")]);
    }
}
