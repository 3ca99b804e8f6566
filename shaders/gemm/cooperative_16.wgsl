// Cooperative matrices of 16 x 16: what the tensor cores of NVIDIA's GPUs and the matrix cores of AMD's multiply.

const EDGE: u32 = 16u;
alias FragmentA = coop_mat16x16<Cell, A>;
alias FragmentB = coop_mat16x16<Cell, B>;
alias FragmentC = coop_mat16x16<f32, C>;
