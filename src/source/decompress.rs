//! Compressed objects, a bounded piece of plain text at a time.

use std::io::{self, Write};

use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use zstd::stream::raw::{Decoder as ZstdDecoder, Operation};

use crate::spec::source::Compression;

/// Decoding pauses once about this much plain text is there.
const ENOUGH: usize = 1024 * 1024;
/// gzip expands at most 1,032 times: this many bytes in are at most 16 MiB out.
const GZIP_STEP: usize = 16 * 1024;
const ZSTD_STEP: usize = 128 * 1024;

/// Turns the bytes of an object into plain text.
pub(crate) enum Decompressor {
    /// Not compressed.
    Plain,
    /// gzip, also of several members one behind the other.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// Zstandard, also of several frames.
    Zstd {
        decoder: Box<ZstdDecoder<'static>>,
        in_frame: bool,
        any: bool,
    },
}

impl Decompressor {
    /// The decoder of an object by its declared compression and, where that is `auto`, its name.
    pub(crate) fn new(declared: Compression, path: &str) -> io::Result<Self> {
        let gzip = || Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())));
        let zstd = || {
            let decoder = Box::new(ZstdDecoder::new()?);
            Ok(Self::Zstd {
                decoder,
                in_frame: false,
                any: false,
            })
        };
        match declared {
            Compression::None => Ok(Self::Plain),
            Compression::Gzip => Ok(gzip()),
            Compression::Zstd => zstd(),
            Compression::Auto if path.ends_with(".gz") => Ok(gzip()),
            Compression::Auto if path.ends_with(".zst") => zstd(),
            Compression::Auto => Ok(Self::Plain),
        }
    }

    /// Moves text from `input` to `out` until the input is used up or about a megabyte came.
    ///
    /// # Errors
    /// The input is not of this compression, or damaged.
    pub(crate) fn decode(&mut self, input: &mut Bytes, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Plain => {
                out.extend_from_slice(input);
                input.clear();
            }
            Self::Gzip(decoder) => {
                let enough = out.len() + ENOUGH;
                while input.has_remaining() && out.len() < enough {
                    let step = input.get(..GZIP_STEP).unwrap_or(input);
                    let used = decoder.write(step)?;
                    input.advance(used);
                    out.append(decoder.get_mut());
                }
            }
            Self::Zstd {
                decoder,
                in_frame,
                any,
            } => {
                let enough = out.len() + ENOUGH;
                // A frame whose input is used up may still hold text back: one more turn asks for it.
                let mut full = false;
                while (input.has_remaining() || full) && out.len() < enough {
                    if !*in_frame && *any {
                        decoder.reinit()?;
                    }
                    let before = out.len();
                    out.resize(before + ZSTD_STEP, 0);
                    let status = match out.get_mut(before..) {
                        Some(space) => decoder.run_on_buffers(input, space)?,
                        None => return Err(io::ErrorKind::OutOfMemory.into()),
                    };
                    input.advance(status.bytes_read);
                    out.truncate(before + status.bytes_written);
                    full = status.bytes_written == ZSTD_STEP && status.remaining != 0;
                    (*any, *in_frame) = (true, status.remaining != 0);
                }
            }
        }
        Ok(())
    }

    /// Says that the object has ended and gives what was held back.
    ///
    /// # Errors
    /// The object ends too early.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Plain => Ok(()),
            Self::Gzip(decoder) => {
                decoder.try_finish()?;
                out.append(decoder.get_mut());
                Ok(())
            }
            Self::Zstd { in_frame, any, .. } if *in_frame || !*any => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Self::Zstd { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn plain(path: &str, object: &[u8], step: usize) -> io::Result<Vec<u8>> {
        let mut decompressor = Decompressor::new(Compression::Auto, path)?;
        let mut out = Vec::new();
        for part in object.chunks(step) {
            let mut input = Bytes::copy_from_slice(part);
            while !input.is_empty() {
                decompressor.decode(&mut input, &mut out)?;
            }
        }
        decompressor.finish(&mut out)?;
        Ok(out)
    }

    #[test]
    fn members_and_frames_are_read_one_behind_the_other_at_any_step() {
        let long: Vec<u8> = (0..600_000_u32)
            .flat_map(|n| (n / 7).to_le_bytes())
            .collect();
        let expected = [b"one\n".as_slice(), &long, b"three\n"].concat();
        let gz = [gzip(b"one\n"), gzip(&long), gzip(b""), gzip(b"three\n")].concat();
        let frame = |text: &[u8]| zstd::encode_all(text, 3).unwrap();
        let zst = [frame(b"one\n"), frame(&long), frame(b""), frame(b"three\n")].concat();
        for step in [1009, usize::MAX] {
            assert!(
                plain("a.csv.gz", &gz, step).unwrap() == expected,
                "gzip by {step}"
            );
            assert!(
                plain("a.csv.zst", &zst, step).unwrap() == expected,
                "zstd by {step}"
            );
            assert!(
                plain("a.csv", &expected, step).unwrap() == expected,
                "plain by {step}"
            );
        }
    }

    #[test]
    fn truncated_and_foreign_objects_are_errors() {
        let text = b"a,b\n1,2\n".repeat(1000);
        let (gz, zst) = (gzip(&text), zstd::encode_all(text.as_slice(), 3).unwrap());
        for cut in [1, 5, gz.len() / 2, gz.len() - 1] {
            assert!(plain("a.gz", &gz[..cut], 64).is_err(), "gzip cut at {cut}");
        }
        for cut in [1, 5, zst.len() / 2, zst.len() - 1] {
            assert!(
                plain("a.zst", &zst[..cut], 64).is_err(),
                "zstd cut at {cut}"
            );
        }
        for path in ["a.gz", "a.zst"] {
            assert!(plain(path, b"", 64).is_err(), "{path} empty");
            assert!(plain(path, &text, 64).is_err(), "{path} plain");
        }
        let trailing = [gz, b"garbage".to_vec()].concat();
        assert!(plain("a.gz", &trailing, 64).is_err());
    }
}
