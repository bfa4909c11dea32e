//! Makes a release build notice a page that was built or changed since (`make playground`): the
//! macro that embeds `playground/dist` runs only when this crate is compiled anew.

fn main() {
    // A folder that is missing would count as changed at every build.
    let dist = std::path::Path::new("playground/dist");
    if let Err(error) = std::fs::create_dir_all(dist) {
        println!("cargo:warning=cannot create {}: {error}", dist.display());
    }
    println!("cargo:rerun-if-changed=playground/dist");
    println!("cargo:rerun-if-changed=build.rs");
}
