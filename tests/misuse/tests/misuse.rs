//! What must not compile does not, and the compiler says why in words that help.
//! `KEYWAY_BLESS=1 bash .ci/long.d/misuse` writes the words anew.

#[test]
fn misuse_does_not_compile() {
    trybuild::TestCases::new().compile_fail("cases/*.rs");
}
