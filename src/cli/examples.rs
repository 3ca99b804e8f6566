//! Examples of each command, for the end of its `--help` and of its manual page.
//!
//! A test reads every line with the parser of the program. Every command has some, so a new command needs its own here.

/// Codes that the program ends with, for `wgvae --help` and the manual page; docs/commands.md has them too.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed: a file, a picture, the adapter or the result of a check
  2    wrong usage: a flag, a value, or a file that only --force replaces
  130  stopped by a signal; a training has written a checkpoint
  141  the reader of the output has ended, as `head` does

Examples:
  wgvae train Photos --preset laptop
  wgvae sample runs/Photos --count 16
  wgvae man train";

pub const TRAIN: &str = "\
Examples:
  wgvae train                                # the demo, built-in landscapes
  wgvae train Photos --preset laptop         # a folder of pictures
  wgvae train --resume                       # continue the newest run
  wgvae train --resume Photos --epochs 20    # the run Photos, to epoch 20";

pub const SAMPLE: &str = "\
Examples:
  wgvae sample                             # from the model that is built in
  wgvae sample runs/Photos --count 64 --seed 3
  wgvae sample runs/Photos --separate -o pictures
  wgvae sample runs/Photos --each-class --count 8";

pub const RUNS: &str = "\
Examples:
  wgvae runs
  wgvae runs --runs elsewhere --json
  wgvae runs show Photos
  wgvae runs prune --keep 1";

pub const RUNS_SHOW: &str = "\
Examples:
  wgvae runs show Photos
  wgvae runs show runs/Photos --json";

pub const RUNS_PRUNE: &str = "\
Examples:
  wgvae runs prune --keep few --dry-run
  wgvae runs prune Photos --keep 1";

pub const CACHE: &str = "\
Examples:
  wgvae cache show
  wgvae cache clear pictures";

pub const CACHE_SHOW: &str = "\
Examples:
  wgvae cache show
  wgvae cache show --json";

pub const CACHE_CLEAR: &str = "\
Examples:
  wgvae cache clear pictures
  wgvae cache clear --force";

pub const CONVERT: &str = "\
Examples:
  wgvae convert runs/Photos -o model.safetensors
  wgvae convert model.pth -o model.safetensors --half";

pub const VERIFY: &str = "\
Examples:
  wgvae verify runs/Photos
  wgvae verify runs/Photos --steps 10 --json";

pub const RECONSTRUCT: &str = "\
Examples:
  wgvae reconstruct runs/Photos beach.jpg forest.jpg
  wgvae reconstruct runs/Photos Photos --separate -o reconstructions";

pub const INTERPOLATE: &str = "\
Examples:
  wgvae interpolate runs/Photos beach.jpg forest.jpg
  wgvae interpolate runs/Photos a.jpg b.jpg --steps 24 --gif -o way.png";

pub const TRAVERSE: &str = "\
Examples:
  wgvae traverse runs/Photos           # from the mean of the fitted prior
  wgvae traverse runs/Photos Photos    # directions of these pictures
  wgvae traverse runs/Photos beach.jpg Photos --dims 4 --gif";

pub const ENCODE: &str = "\
Examples:
  wgvae encode runs/Photos Photos
  wgvae encode runs/Photos Photos -o latents.csv";

pub const DECODE: &str = "\
Examples:
  wgvae decode runs/Photos latents.safetensors
  wgvae decode runs/Photos latents.csv -o pictures";

pub const FIT_PRIOR: &str = "\
Examples:
  wgvae fit-prior runs/Photos Photos
  wgvae fit-prior runs/Photos Photos --flow
  wgvae fit-prior builtin Flowers --classes -o prior.safetensors";

pub const EVALUATE: &str = "\
Examples:
  wgvae evaluate runs/Photos             # held-out pictures of its run
  wgvae evaluate runs/Photos Others -o report.html
  wgvae evaluate runs/Photos --json --no-features";

pub const EXPORT_WEB: &str = "\
Examples:
  wgvae export-web runs/Photos -o page
  wgvae export-web runs/Photos Photos -o page --half --title Photos";

pub const WEB: &str = "\
Examples:
  wgvae web runs/Photos
  wgvae web page --port 8080";

pub const WATCH: &str = "\
Examples:
  wgvae watch
  wgvae watch runs/Photos --port 8080
  wgvae watch runs --export report.html";

pub const ADAPTERS: &str = "\
Examples:
  wgvae adapters
  wgvae adapters --adapter software --json";

pub const SELFTEST: &str = "\
Examples:
  wgvae selftest
  wgvae selftest --only conv2d --verbose
  wgvae selftest --json";

pub const PLAN: &str = "\
Examples:
  wgvae plan --preset laptop
  wgvae plan --size 512 --limits default
  wgvae plan --preset demo --json";

pub const TUNE: &str = "\
Examples:
  wgvae tune --preset laptop
  wgvae tune --preset photo --again -o tuning.json";

pub const BENCH: &str = "\
Examples:
  wgvae bench --preset laptop --steps 20
  wgvae bench Photos --size 128          # the loading of pictures
  wgvae bench --preset demo --json";

pub const PROFILE: &str = "\
Examples:
  wgvae profile --preset laptop
  wgvae profile --preset demo --steps 10 -o trace.json";

pub const COMPLETIONS: &str = "\
Examples:
  wgvae completions bash > ~/.local/share/bash-completion/completions/wgvae
  wgvae completions zsh > ~/.zfunc/_wgvae";

pub const MAN: &str = "\
Examples:
  wgvae man
  wgvae man train
  wgvae man -o ~/.local/share/man/man1";

pub const DATA: &str = "\
Examples:
  wgvae data check Photos
  wgvae data sheet Photos -o sheet.png
  wgvae data synth -o Landscapes";

pub const DATA_CHECK: &str = "\
Examples:
  wgvae data check Photos
  wgvae data check Photos --exclude '*_mask.png' --json";

pub const DATA_SYNTH: &str = "\
Examples:
  wgvae data synth -o Landscapes
  wgvae data synth -o Landscapes --count 200 --size 128 --seed 7";

pub const DATA_SHEET: &str = "\
Examples:
  wgvae data sheet Photos
  wgvae data sheet Photos --count 16 --resize cover -o sheet.jpg";

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, Parser};

    use crate::cli::Cli;

    /// The words of a line of a shell, without what comes behind `#` or `>`.
    fn words(line: &str) -> Vec<String> {
        let words = line.split_whitespace().take_while(|word| !word.starts_with(['#', '>']));
        words.map(|word| word.trim_matches('\'').to_owned()).collect()
    }

    fn check(command: &Command, path: &str) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples = help.split("Examples:\n").nth(1).unwrap_or_default();
        let lines: Vec<&str> = examples.lines().map(str::trim).collect();
        assert!((2..=4).contains(&lines.len()), "{path}: {} examples", lines.len());
        for line in help.lines() {
            assert!(line.chars().count() <= 78, "{path}: too wide for 80 columns: {line}");
        }
        for line in lines {
            assert!(format!("{line} ").starts_with(&format!("{path} ")) || path == "wgvae", "{path}: {line}");
            if let Err(error) = Cli::try_parse_from(words(line)) {
                panic!("{line}\n{error}");
            }
        }
        for inner in command.get_subcommands() {
            check(inner, &format!("{path} {}", inner.get_name()));
        }
    }

    #[test]
    fn every_command_has_examples_that_the_parser_takes() {
        check(&Cli::command(), "wgvae");
    }
}
