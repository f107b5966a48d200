//! A name shared by many rows: a text that is kept in memory once.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text of a row. A copy of it shares its memory: a million rows speak of few scenarios, methods and images.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name(text.into())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Name {
        Name(text.into())
    }
}

impl From<&String> for Name {
    fn from(text: &String) -> Name {
        Name(text.as_str().into())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.as_str().to_string()
    }
}

impl From<&Name> for String {
    fn from(name: &Name) -> String {
        name.as_str().to_string()
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Name {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<Name> for str {
    fn eq(&self, other: &Name) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<Name> for &str {
    fn eq(&self, other: &Name) -> bool {
        *self == other.as_str()
    }
}

impl PartialEq<Name> for String {
    fn eq(&self, other: &Name) -> bool {
        self == other.as_str()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Name, D::Error> {
        String::deserialize(from).map(Name::from)
    }
}

/// Every name seen so far, so that equal texts share their memory.
#[derive(Default)]
pub(super) struct Names {
    known: HashSet<Name>,
}

impl Names {
    /// The name with this text. `last` is the name that the same column had in the row before, most often the same.
    pub fn of(&mut self, text: &str, last: &Name) -> Name {
        if last == text {
            return last.clone();
        }
        if let Some(name) = self.known.get(text) {
            return name.clone();
        }
        let name = Name::from(text);
        self.known.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_their_memory() {
        let mut names = Names::default();
        let none = Name::default();
        let first = names.of("raw", &none);
        let other = names.of("zstd/3", &first);
        let again = names.of("raw", &other);
        assert!(Arc::ptr_eq(&first.0, &again.0) && first != other);
        assert_eq!(first, "raw");
    }

    #[test]
    fn a_name_is_equal_to_its_text_from_either_side_and_becomes_it() {
        let name = Name::from("raw");
        let (text, other) = (String::from("raw"), String::from("layers"));
        assert!(name == *"raw" && name == "raw" && name == text);
        assert!(*"raw" == name && "raw" == name && text == name);
        assert!(name != *"layers" && name != "layers" && name != other);
        assert!(*"layers" != name && "layers" != name && other != name);
        assert_eq!(String::from(&name), text);
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(json, "\"raw\"");
        assert_eq!(serde_json::from_str::<Name>(&json).unwrap(), name);
        assert_eq!(String::from(name), text);
    }
}
