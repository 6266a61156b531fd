//! SHA-256, by the crypto library that is in the tree where a feature brings it: where that one is a validated module
//! (`docs/fips.md`), it makes our digests too. A build without those features has the small `hmac-sha256`.

/// A digest in the making.
#[cfg(any(feature = "oauth2", feature = "sealed"))]
pub(crate) struct Sha256(aws_lc_rs::digest::Context);

#[cfg(any(feature = "oauth2", feature = "sealed"))]
impl Sha256 {
    pub(crate) fn new() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256))
    }

    pub(crate) fn with(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.update(bytes.as_ref());
        self
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        let (digest, mut bytes) = (self.0.finish(), [0; 32]);
        bytes.copy_from_slice(digest.as_ref());
        bytes
    }
}

/// A digest in the making.
#[cfg(not(any(feature = "oauth2", feature = "sealed")))]
pub(crate) struct Sha256(hmac_sha256::Hash);

#[cfg(not(any(feature = "oauth2", feature = "sealed")))]
impl Sha256 {
    pub(crate) fn new() -> Self {
        Self(hmac_sha256::Hash::new())
    }

    pub(crate) fn with(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.update(bytes);
        self
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::Sha256;

    /// FIPS 180-4, "abc"; in parts it is the same, and nothing is the digest of nothing.
    #[apply(leak_checked!)]
    fn it_is_sha_256_whichever_library_makes_it() {
        let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(Sha256::new().with("abc").finish()), expected);
        assert_eq!(hex(Sha256::new().with("a").with([]).with("bc").finish()), expected);
        // Longer than a block, in uneven pieces.
        let long = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
        let (head, tail) = long.split_at(61);
        let expected = "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1";
        assert_eq!(hex(Sha256::new().with(head).with(tail).finish()), expected);
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(Sha256::new().finish()), nothing);
    }
}
