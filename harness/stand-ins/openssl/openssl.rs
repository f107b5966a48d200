//! Stands in for openssl 0.10 in the `oci-delta` crate (0.1.1), the only user of it here.
//!
//! That crate takes three hash functions from OpenSSL, and so a C library and its headers. The same functions are in a crate
//! that the lab uses anyway.

#![forbid(unsafe_code)]

pub mod hash {
    use std::convert::Infallible;

    use sha2::{Digest, Sha256, Sha384, Sha512};

    #[derive(Clone, Copy)]
    enum Kind {
        Sha256,
        Sha384,
        Sha512,
    }

    /// Names a hash function.
    #[derive(Clone, Copy)]
    pub struct MessageDigest(Kind);

    impl MessageDigest {
        pub fn sha256() -> MessageDigest {
            MessageDigest(Kind::Sha256)
        }

        pub fn sha384() -> MessageDigest {
            MessageDigest(Kind::Sha384)
        }

        pub fn sha512() -> MessageDigest {
            MessageDigest(Kind::Sha512)
        }
    }

    enum State {
        Sha256(Sha256),
        Sha384(Sha384),
        Sha512(Sha512),
    }

    /// Hashes what it is given, piece by piece.
    pub struct Hasher(State);

    impl Hasher {
        pub fn new(kind: MessageDigest) -> Result<Hasher, Infallible> {
            Ok(Hasher(match kind.0 {
                Kind::Sha256 => State::Sha256(Sha256::new()),
                Kind::Sha384 => State::Sha384(Sha384::new()),
                Kind::Sha512 => State::Sha512(Sha512::new()),
            }))
        }

        pub fn update(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
            match &mut self.0 {
                State::Sha256(state) => state.update(bytes),
                State::Sha384(state) => state.update(bytes),
                State::Sha512(state) => state.update(bytes),
            }
            Ok(())
        }

        /// The hash of all that it was given.
        pub fn finish(&mut self) -> Result<Vec<u8>, Infallible> {
            Ok(match &mut self.0 {
                State::Sha256(state) => state.finalize_reset().to_vec(),
                State::Sha384(state) => state.finalize_reset().to_vec(),
                State::Sha512(state) => state.finalize_reset().to_vec(),
            })
        }
    }
}
