// Cooperative matrices of 8 x 8: the size supported by Apple's GPUs and llvmpipe.

const EDGE: u32 = 8u;
alias FragmentA = coop_mat8x8<Cell, A>;
alias FragmentB = coop_mat8x8<Cell, B>;
alias FragmentC = coop_mat8x8<f32, C>;
