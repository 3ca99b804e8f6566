//! The start of this process: alone, or as one of several by a launcher of MPI programs or by a batch system.

/// A number of processes that were started together, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launched {
    /// processes
    pub ranks: usize,
    /// number of this one, from 0
    pub rank: usize,
    /// the launcher, for messages
    pub by: &'static str,
}

/// The launchers' variables with the number of processes, each with one that only processes of such a start have. A shell of
/// a batch job has Slurm's number of tasks and is not one of them, so its variable is the one of a step.
const VARIABLES: [(&str, &str, &str); 4] = [
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "Open MPI's mpirun"),
    ("PMI_SIZE", "PMI_RANK", "MPICH's mpiexec"),
    ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK", "MVAPICH's mpirun"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "Slurm's srun"),
];

/// Whether a launcher started this process, also as the only one. `None` for a process that was started by hand.
pub fn launched() -> Option<Launched> {
    launched_with(|name| std::env::var(name).ok())
}

/// Whether the launcher has told this process how to find the others, in a way that an MPI library with this name and version
/// knows. Without it, Open MPI ends the process with a page of text, and MPICH takes it for the only one.
pub fn can_connect(library: &str) -> bool {
    can_connect_with(library, |name| std::env::var_os(name).is_some())
}

fn can_connect_with(library: &str, is_set: impl Fn(&str) -> bool) -> bool {
    let any = |names: &[&str]| names.iter().any(|name| is_set(name));
    if library.contains("Open MPI") {
        return any(&["OMPI_COMM_WORLD_SIZE", "PMIX_RANK"]);
    }
    // other libraries than these two decide for themselves
    !library.contains("MPICH") || any(&["PMI_RANK", "PMI_FD", "PMIX_RANK"])
}

fn launched_with(variable: impl Fn(&str) -> Option<String>) -> Option<Launched> {
    let found = VARIABLES.iter().filter_map(|(size, rank, by)| {
        Some(Launched { ranks: variable(size)?.parse().ok()?, rank: variable(rank)?.parse().ok()?, by })
    });
    // a launcher that was started by another one leaves the variables of both; the first of equals
    found.reduce(|most, other| if other.ranks > most.ranks { other } else { most })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Option<Launched> {
        launched_with(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn libraries_are_told_in_their_own_way() {
        let (open_mpi, mpich) = ("Open MPI v4.1.4", "MPICH Version: 4.0.2");
        for (set, knows) in [
            (["SLURM_PROCID", "SLURM_STEP_NUM_TASKS"], [false, false]),
            (["PMIX_RANK", "SLURM_PROCID"], [true, true]),
            (["PMI_RANK", "PMI_FD"], [false, true]),
            (["OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"], [true, false]),
        ] {
            let found =
                [open_mpi, mpich].map(|library| can_connect_with(library, |name| set.contains(&name)));
            assert_eq!(found, knows, "{set:?}");
        }
        assert!(can_connect_with("another library", |_| false));
    }

    #[test]
    fn launchers_are_known_by_their_variables() {
        assert_eq!(with(&[]), None);
        // the shell of a batch job
        assert_eq!(with(&[("SLURM_NTASKS", "4"), ("SLURM_PROCID", "0")]), None);
        let open_mpi = with(&[("OMPI_COMM_WORLD_SIZE", "3"), ("OMPI_COMM_WORLD_RANK", "2")]);
        assert_eq!(open_mpi.map(|found| (found.ranks, found.rank)), Some((3, 2)));
        assert_eq!(with(&[("PMI_SIZE", "1"), ("PMI_RANK", "0")]).map(|found| found.ranks), Some(1));
        let slurm = with(&[("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_PROCID", "1")]);
        assert_eq!(slurm.map(|found| found.by), Some("Slurm's srun"));
        // MPICH's launcher in a batch job, and one process of Open MPI that has started it
        let both = with(&[
            ("SLURM_STEP_NUM_TASKS", "1"),
            ("SLURM_PROCID", "0"),
            ("PMI_SIZE", "2"),
            ("PMI_RANK", "1"),
            ("OMPI_COMM_WORLD_SIZE", "1"),
            ("OMPI_COMM_WORLD_RANK", "0"),
        ]);
        assert_eq!(both.map(|found| (found.by, found.rank)), Some(("MPICH's mpiexec", 1)));
    }
}
