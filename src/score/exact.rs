//! Doubles in JSON, exactly: as the shortest text that reads back as the same double, whatever it is.

use serde::{Deserialize, Deserializer, Serializer, de};

/// Writes a double.
pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads a double.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(de::Error::custom)
}

/// Doubles that may be missing.
pub(super) mod option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    /// Writes a double, or null.
    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(|value| value.to_string()).serialize(serializer)
    }

    /// Reads a double, or null.
    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let value = text.map(|text| text.parse().map_err(de::Error::custom));
        value.transpose()
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    struct Values {
        #[serde(with = "super")]
        one: f64,
        #[serde(with = "super::option")]
        other: Option<f64>,
    }

    #[test]
    fn every_double_comes_back_as_it_was() {
        let tiny = f64::from_bits(1);
        for value in [
            0.1,
            -0.0,
            1e300,
            tiny,
            f64::INFINITY,
            2.0 / 3.0,
            1.0 + f64::EPSILON,
        ] {
            let other = Some(-value);
            let text = serde_json::to_string(&Values { one: value, other }).unwrap();
            let back: Values = serde_json::from_str(&text).unwrap();
            assert_eq!(back.one.to_bits(), value.to_bits());
            assert_eq!(back.other.map(f64::to_bits), other.map(f64::to_bits));
        }
        let text = serde_json::to_string(&Values {
            one: f64::NAN,
            other: None,
        })
        .unwrap();
        let back: Values = serde_json::from_str(&text).unwrap();
        assert!(back.one.is_nan() && back.other.is_none());
    }
}
