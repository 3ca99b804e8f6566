//! `wgvae web`: a local server for a page.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::web;

use super::{export_web, output};
use crate::cli::WebArgs;

pub fn run(args: &WebArgs) -> Result<ExitCode> {
    let model = &args.page.trained.model;
    // an exported page, or one made in memory
    let files =
        if model.join(web::MANIFEST).is_file() { web::read(model)? } else { export_web::page(&args.page)? };
    let sizes = export_web::sizes(&files);
    let serving = web::serve(files, args.port)?;
    output::say(&sizes);
    output::print(&format!("{}  (reachable from this machine only; Ctrl-C to stop)", serving.url()));
    serving.wait()?;
    Ok(ExitCode::SUCCESS)
}
