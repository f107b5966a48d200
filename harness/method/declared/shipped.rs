//! The declared methods that come with the lab, for a folder that is no checkout.

macro_rules! shipped {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../scenarios/methods/", $name, ".toml")),
        )
    };
}

/// Name and text of each file of scenarios/methods, in order; a test holds the list to the folder.
pub const SHIPPED: &[(&str, &str)] = &[
    shipped!("bita-cli"),
    shipped!("borg"),
    shipped!("bsdiff-cli"),
    shipped!("casync"),
    shipped!("casync-ssh"),
    shipped!("casync-tree"),
    shipped!("desync"),
    shipped!("gzip-casync"),
    shipped!("gzip-xdelta3"),
    shipped!("hdiffpatch"),
    shipped!("ostree"),
    shipped!("ostree-pull"),
    shipped!("rdiff"),
    shipped!("rsync-batch"),
    shipped!("rsync-ssh"),
    shipped!("xdelta3-cli"),
    shipped!("zchunk"),
    shipped!("zstd-chunked"),
    shipped!("zstd-chunked-12"),
    shipped!("zstd-cli"),
    shipped!("zsync"),
    shipped!("zsync-gz"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_shipped() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/methods");
        let files = crate::method::declared::files(folder.as_ref()).unwrap();
        let mut names: Vec<&str> = files
            .iter()
            .map(|file| file.file_stem().unwrap().to_str().unwrap())
            .collect();
        names.sort_unstable();
        let shipped: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
        assert_eq!(shipped, names);
    }
}
