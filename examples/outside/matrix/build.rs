//! Matrix publishes a document per room of its specification (Apache-2.0, matrix-org/matrix-spec, data/api/client-server): these
//! are three of them to the byte. One overlay does for all.

fn main() -> keyway_build::Result {
    for name in ["whoami", "create_room", "list_joined_rooms"] {
        keyway_build::document(format!("{name}.yaml")).overlay("matrix.overlay.yaml").generate(name)?;
    }
    Ok(())
}
