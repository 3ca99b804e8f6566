//! `wgvae web`.

use std::process::ExitCode;

use anyhow::Result;
use wgvae::web;

use super::export_web;
use crate::cli::WebArgs;

pub fn run(args: &WebArgs) -> Result<ExitCode> {
    let model = &args.page.trained.model;
    // a page that is there already, or one that is made in memory
    let files =
        if model.join(web::MANIFEST).is_file() { web::read(model)? } else { export_web::page(&args.page)? };
    let sizes = export_web::sizes(&files);
    let serving = web::serve(files, args.port)?;
    println!("{sizes}");
    println!("{}  (for this machine alone; Ctrl-C ends it)", serving.url());
    serving.wait()?;
    Ok(ExitCode::SUCCESS)
}
