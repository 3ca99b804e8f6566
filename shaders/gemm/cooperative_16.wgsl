// Cooperative matrices of 16 x 16: the size of NVIDIA's tensor cores and AMD's matrix cores.

const EDGE: u32 = 16u;
alias FragmentA = coop_mat16x16<Cell, A>;
alias FragmentB = coop_mat16x16<Cell, B>;
alias FragmentC = coop_mat16x16<f32, C>;
